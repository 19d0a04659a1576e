"""Checkpoints of a run: everything that it takes to go on as if nothing had happened.

    checkpoints/step-1200/
      run.json         step, position, options, table, best score; how many processes and threads
      weights.pt       the float32 weights, the moving average, the best weights so far
      process-0.pt     of each process: its share of the optimiser, its generators

A checkpoint is written under another name, synced, and renamed, so a folder that is there is whole.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lexel.disk import sync, write_json
from lexel.errors import CheckpointError, OptionError
from lexel.training.distributed import ProcessGroup

FOLDER = "checkpoints"
_PREFIX = "step-"


def generators() -> dict[str, Any]:
    """The states of all generators of this process."""
    state = {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "python": random.getstate()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_generators(state: dict[str, Any]) -> None:
    """Go on with these states."""
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def write_checkpoint(
    folder: Path,
    *,
    step: int,
    run: dict[str, Any],
    weights: dict[str, Any],
    own: dict[str, Any],
    process_group: ProcessGroup,
) -> Path:
    """Write a checkpoint; all processes take part.

    Raises:
        CheckpointError: If the disk refuses; earlier checkpoints are left as they are.
    """
    final = folder / FOLDER / f"{_PREFIX}{step}"
    partial = final.with_name(f"{final.name}.partial")
    problem = ""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        save_tensors(own, partial / f"process-{process_group.rank}.pt")
        if process_group.is_main:
            save_tensors(weights, partial / "weights.pt")
            write_json(partial / "run.json", {"step": step, **run})
            sync([partial / "run.json"])
    except (OSError, RuntimeError) as cause:
        problem = str(cause)
    failed = process_group.sum([float(bool(problem))])[0] > 0
    if process_group.is_main:
        if failed:
            shutil.rmtree(partial, ignore_errors=True)
        else:
            shutil.rmtree(final, ignore_errors=True)
            partial.replace(final)
            sync([final.parent])
    process_group.barrier()
    if failed:
        raise CheckpointError(
            f"{final}: not written ({problem or 'another process failed'}); earlier checkpoints are left as they were. "
            "Make room and run the same command again"
        )
    return final


def save_tensors(values: dict[str, Any], path: Path) -> None:
    """Write tensors and have them on the disk."""
    torch.save(values, path)
    sync([path])


def steps_there(folder: Path) -> list[int]:
    """The steps of a run's whole checkpoints, in order."""
    names = [path.name for path in (folder / FOLDER).glob(f"{_PREFIX}*") if path.is_dir()]
    return sorted(int(name.removeprefix(_PREFIX)) for name in names if name.removeprefix(_PREFIX).isdigit())


def read_checkpoint(folder: Path, step: int, *, process_group: ProcessGroup) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``write_checkpoint`` wrote: the weights, and this process's own state."""
    place = folder / FOLDER / f"{_PREFIX}{step}"
    weights = torch.load(place / "weights.pt", weights_only=False)
    own = torch.load(place / f"process-{process_group.rank}.pt", weights_only=False)
    return weights, own


def read_run(folder: Path, step: int) -> dict[str, Any]:
    """The run of a checkpoint alone."""
    run: dict[str, Any] = json.loads((folder / FOLDER / f"{_PREFIX}{step}" / "run.json").read_text(encoding="utf-8"))
    return run


def check_same(run: dict[str, Any], now: dict[str, Any], *, folder: Path) -> None:
    """Refuse to go on with other options, files, processes or threads.

    Raises:
        OptionError: Naming each that differs, with both values.
    """
    before = run["identity"]
    different = [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if different:
        raise OptionError(
            f"{folder}: holds a checkpoint of another run: {'; '.join(different)}. Run it as before, or choose another "
            "output_dir"
        )


def remove_old(folder: Path, *, keep: int) -> None:
    """Remove all checkpoints but the last ones."""
    for step in steps_there(folder)[: -keep or None]:
        shutil.rmtree(folder / FOLDER / f"{_PREFIX}{step}", ignore_errors=True)

"""Checkpoints of a run, from which it resumes as if it had never been stopped.

    checkpoints/step-1200/
      run.json         step, position, options, table, best figure, number of processes and threads
      weights.pt       the float32 weights, the moving average, the best weights so far
      process-0.pt     for each process: its share of the optimizer, its random generators

A checkpoint is written under another name, synced and renamed, so a folder under its final name is complete. The
``.pt`` files hold tensors and plain values only, and are read without running code.
"""

from __future__ import annotations

import json
import pickle
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lexel.disk import reason, refused, sync, write_json
from lexel.errors import CheckpointError, LexelError
from lexel.training.distributed import ProcessGroup

FOLDER = "checkpoints"
_PREFIX = "step-"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
"""The function or class that a refused pickle names, in PyTorch's message."""


def generators() -> dict[str, Any]:
    """The states of this process's random generators, as tensors and plain values."""
    kind, keys, *rest = np.random.get_state()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_generators(state: dict[str, Any]) -> None:
    """Restore the states of ``generators``."""
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def write_checkpoint(
    folder: Path,
    *,
    step: int,
    run: dict[str, Any],
    shared: dict[str, Any],
    own: dict[str, Any],
    process_group: ProcessGroup,
) -> Path:
    """Write a checkpoint; every process must call it.

    Args:
        folder: The output folder.
        step: Steps taken.
        run: The content of ``run.json`` besides the step.
        shared: Tensors that are the same in all processes; the main process writes them.
        own: The state of this process; the random generators are added.
        process_group: The processes.

    Raises:
        CheckpointError: If the disk is full or fails; earlier checkpoints are unchanged.
    """
    final = folder / FOLDER / f"{_PREFIX}{step}"
    partial = final.with_name(f"{final.name}.partial")
    problem = ""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        save_tensors(own | {"generators": generators()}, partial / f"process-{process_group.rank}.pt")
        if process_group.is_main:
            save_tensors(shared, partial / "weights.pt")
            write_json(partial / "run.json", {"step": step, **run})
            sync([partial / "run.json"])
    except (OSError, RuntimeError) as cause:
        problem = reason(cause)
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
            f"{final}: not written ({problem or 'another process failed'}); earlier checkpoints are unchanged. Free "
            "disk space and run the same command again"
        )
    return final


def save_tensors(values: dict[str, Any], path: Path) -> None:
    """Write tensors and plain values, and sync them to the disk."""
    torch.save(values, path)
    sync([path])


def steps_there(folder: Path) -> list[int]:
    """The steps of a run's complete checkpoints, in order."""
    names = [path.name for path in (folder / FOLDER).glob(f"{_PREFIX}*") if path.is_dir()]
    return sorted(int(name.removeprefix(_PREFIX)) for name in names if name.removeprefix(_PREFIX).isdigit())


@contextmanager
def restoring(folder: Path, step: int) -> Iterator[None]:
    """Restore a run from a checkpoint; unexpected content is an error that names the checkpoint.

    Raises:
        CheckpointError: If the block finds values that training does not write.
    """
    try:
        yield
    except (LexelError, torch.OutOfMemoryError):  # a full GPU says nothing about the checkpoint
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as cause:
        place = folder / FOLDER / f"{_PREFIX}{step}"
        raise CheckpointError(
            f"{place}: has content that training does not write ({type(cause).__name__}: {cause}). Delete {place} to "
            "resume from an earlier checkpoint"
        ) from cause


def read_checkpoint(folder: Path, step: int, *, process_group: ProcessGroup) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the tensors of a checkpoint, and set this process's random generators.

    Returns:
        The tensors that all processes share, and the state of this process.

    Raises:
        CheckpointError: If a file is damaged, or holds anything but tensors and plain values.
    """
    place = folder / FOLDER / f"{_PREFIX}{step}"
    shared = _load_tensors(place / "weights.pt")
    own = _load_tensors(place / f"process-{process_group.rank}.pt")
    set_generators(own.pop("generators"))
    return shared, own


def _load_tensors(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = torch.load(path, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as cause:
        called = _GLOBAL.search(str(cause))
        said = (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
        found = f"names {called[1]}, which is not run" if called else f"cannot be read ({said})"
        raise CheckpointError(
            f"{path}: {found}; expected tensors and plain values, as training writes them. Delete {path.parent} to "
            "resume from an earlier checkpoint"
        ) from cause
    return values


def read_run(folder: Path, step: int) -> dict[str, Any]:
    """Read the ``run.json`` of a checkpoint.

    Raises:
        CheckpointError: If it is damaged.
    """
    path = folder / FOLDER / f"{_PREFIX}{step}" / "run.json"
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise CheckpointError(
            f"{path}: {refused(cause, doing='read')}; expected the record of a run. Delete {path.parent} to resume "
            "from an earlier checkpoint"
        ) from cause
    return run


def remove_old(folder: Path, *, keep: int) -> None:
    """Remove all checkpoints except the last ones."""
    for step in steps_there(folder)[: -keep or None]:
        shutil.rmtree(folder / FOLDER / f"{_PREFIX}{step}", ignore_errors=True)

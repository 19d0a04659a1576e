"""Checks that a resumed run matches the run that wrote its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lexel.checkpoint.weights import weight_file
from lexel.disk import sha256_of
from lexel.errors import OptionError
from lexel.training.config.options import as_plain
from lexel.training.distributed import ProcessGroup
from lexel.training.start.setup import Setup

_IRRELEVANT = (
    "output_dir", "report_to", "card", "save_total_limit", "save_strategy", "save_steps", "save_dtype", "test",
)  # fmt: skip
"""Options that do not change the weights."""


def run_identity(setup: Setup, process_group: ProcessGroup, *, threads: int, precision: str) -> dict[str, Any]:
    """The options, checksums and numbers on which the weights of a run depend."""
    identity = {name: value for name, value in as_plain(setup.options).items() if name not in _IRRELEVANT}
    data = {role: [features.about["sha256"] for features in setup.files[role]] for role in ("train", "validation")}
    if setup.teacher is not None:
        folder = setup.teacher.source.folder
        identity["teacher"] = sha256_of(folder / (weight_file(folder) or "config.json"))
    return identity | {"data": data, "processes": process_group.size, "threads": threads, "precision": precision}


def check_same(before: dict[str, Any], now: dict[str, Any], *, folder: Path) -> None:
    """Refuse to resume with other options, data, processes or threads.

    Raises:
        OptionError: With each difference and both values.
    """
    different = [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if different:
        raise OptionError(
            f"{folder}: has a checkpoint of another run: {'; '.join(different)}. Use the same options, or choose "
            "another output folder (-o, output_dir)"
        )

"""Checks outputs: their folder must exist, and they must not overwrite an input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from lexel.errors import DataError


def check_outputs(*outs: str | None, inputs: Iterable[str | None]) -> None:
    """Refuse outputs into folders that do not exist, and outputs that would overwrite an input.

    Raises:
        DataError: For the first one.
    """
    read = [place for place in inputs if place is not None]
    for out in (Path(out) for out in outs if out is not None):
        if not out.parent.is_dir():
            raise DataError(f"{out}: there is no folder {str(out.parent)!r}; create it first")
        for place in read:
            if problem := replaced(place, out):
                raise DataError(problem)


def replaced(place: str, out: Path) -> str | None:
    """The problem if a file would be read and overwritten, under any name or link."""
    if place == "-":
        status, named = _status(sys.stdin), " (as standard input)"
    else:
        status, named = _status(place), "" if str(out) == place else f" (as {place})"
    target = _status(out)
    if status is None or target is None or not os.path.samestat(status, target):
        return None
    return f"{out}: is read{named} and would be replaced; expected another file to write"


def grown(place: str) -> str | None:
    """The problem if a file would be read while standard output appends to it."""
    status, target = _status(place), _status(sys.stdout)
    if status is None or target is None or not os.path.samestat(status, target):
        return None
    return f"{place}: is the input, and standard output goes into it; expected another file to write"


def _status(place: str | Path | IO[str] | None) -> os.stat_result | None:
    """The status of a regular file; ``None`` for anything else."""
    try:
        status = os.stat(place if isinstance(place, str | Path) else cast(IO[str], place).fileno())
    except (OSError, ValueError, AttributeError):  # missing, closed, or not a file
        return None
    return status if stat.S_ISREG(status.st_mode) else None

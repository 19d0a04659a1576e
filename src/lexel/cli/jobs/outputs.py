"""Where results may go: into a folder that exists, and never over what is read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from lexel.errors import DataError


def check_outputs(*outs: str | None, inputs: Iterable[str | None]) -> None:
    """Refuse outputs into folders that do not exist, and outputs that would replace what is read.

    Raises:
        DataError: For the first of them.
    """
    read = [place for place in inputs if place is not None]
    for out in (Path(out) for out in outs if out is not None):
        if not out.parent.is_dir():
            raise DataError(f"{out}: there is no folder {str(out.parent)!r}; create it first")
        for place in read:
            if problem := replaced(place, out):
                raise DataError(problem)


def replaced(place: str, out: Path) -> str | None:
    """What is wrong if a file would be read and replaced, by whatever name or link."""
    if place == "-":
        status, named = _status(sys.stdin), " (as standard input)"
    else:
        status, named = _status(place), "" if str(out) == place else f" (as {place})"
    target = _status(out)
    if status is None or target is None or not os.path.samestat(status, target):
        return None
    return f"{out}: is read{named} and would be replaced; expected another file to write"


def grown(place: str) -> str | None:
    """What is wrong if a file would be read while standard output grows it."""
    status, target = _status(place), _status(sys.stdout)
    if status is None or target is None or not os.path.samestat(status, target):
        return None
    return f"{place}: is the input, and standard output goes into it; expected another file to write"


def _status(place: str | Path | IO[str] | None) -> os.stat_result | None:
    """What the system says of a regular file; ``None`` for anything else."""
    try:
        status = os.stat(place if isinstance(place, str | Path) else cast(IO[str], place).fileno())
    except (OSError, ValueError, AttributeError):  # not there, closed, or no file at all
        return None
    return status if stat.S_ISREG(status.st_mode) else None

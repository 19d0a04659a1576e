"""Where results may go: into a folder that exists, and never over what is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lexel.errors import DataError


def check_outputs(*outs: str | None, inputs: Iterable[str | None]) -> None:
    """Refuse outputs into folders that do not exist, and outputs that would replace what is read.

    Raises:
        DataError: For the first of them.
    """
    read = [place for place in inputs if place is not None]
    for out in (Path(out) for out in outs if out is not None):
        if not out.parent.is_dir():
            raise DataError(f"{out}: there is no folder {str(out.parent)!r}; make it first")
        for place in read:
            if problem := replaced(place, out):
                raise DataError(problem)


def replaced(place: str, out: Path) -> str | None:
    """What is wrong if a file would be read and replaced, by whatever name or link."""
    if place == "-" or not out.exists() or not Path(place).exists() or not out.samefile(place):
        return None
    named = "" if str(out) == place else f" (as {place})"
    return f"{out}: is read{named} and would be replaced; expected another file to write"

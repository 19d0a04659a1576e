"""Where a project's files are looked for: the working directory, and the folders above it."""

from __future__ import annotations

from pathlib import Path


def folders_above() -> list[Path]:
    """The working directory and the folders above it; none if it was removed."""
    try:
        here = Path.cwd()
    except OSError:
        return []
    return [here, *here.parents]


def is_there(path: Path) -> bool:
    """Whether there is such a file; one in a folder that may not be looked into is not there."""
    try:
        return path.is_file()
    except OSError:
        return False

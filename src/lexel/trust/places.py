"""The places of a project's files: the working directory, and the folders above it."""

from __future__ import annotations

from pathlib import Path


def folders_above() -> list[Path]:
    """The working directory and the folders above it; empty if it was removed."""
    try:
        here = Path.cwd()
    except OSError:
        return []
    return [here, *here.parents]


def is_there(path: Path) -> bool:
    """Whether a file exists; a file in an unreadable folder counts as missing."""
    try:
        return path.is_file()
    except OSError:
        return False

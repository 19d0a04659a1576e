"""A new model folder that appears under its name only when it is whole and on the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from uuid import uuid4

from lexel.checkpoint.source import DESCRIPTION_FILES, TOKENIZER_FILES
from lexel.errors import CheckpointError

_KEPT = (*DESCRIPTION_FILES, *TOKENIZER_FILES)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """An empty folder to write into, which becomes ``out`` when the block ends well, and goes when it does not.

    Raises:
        CheckpointError: If ``out`` exists, or the disk refuses.
    """
    if out.exists():
        raise CheckpointError(f"{out}: is there already; nothing was overwritten. Choose a new folder")
    partial = out.with_name(f".{out.name}.{uuid4().hex[:8]}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        _sync(partial.iterdir())
        partial.rename(out)
        _sync([out.parent])
    except OSError as cause:
        raise CheckpointError(
            f"{out}: not written ({cause.strerror or cause}); nothing was left. Make room and try again"
        ) from cause
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def copy_description(folder: Path, to: Path) -> None:
    """Copy the files of a model folder that belong to a model, apart from weights; code is left behind."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and any(fnmatchcase(path.name, pattern) for pattern in _KEPT):
            shutil.copyfile(path, to / path.name)


def _sync(paths: Iterable[Path]) -> None:
    """Have files, and on POSIX folders, on the disk."""
    for path in paths:
        if path.is_dir() and os.name != "posix":
            continue
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Files as the disk has them: their checksums, small JSON files, and what is written being really there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from lexel.errors import DataError


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; a file that has not changed is read once.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        status = os.stat(path)
        return _sha256_of(os.path.abspath(path), status.st_size, status.st_mtime_ns)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{os.fspath(path)}: cannot be opened ({reason}); expected a file to read") from error


@lru_cache(maxsize=256)
def _sha256_of(path: str, size: int, modified_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, values: Any) -> None:
    """Write a small JSON file for people and programs."""
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def sync(paths: Iterable[Path]) -> None:
    """Have files on the disk, and on POSIX the names in folders."""
    for path in paths:
        if path.is_dir() and os.name != "posix":
            continue
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

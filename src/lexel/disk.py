"""Files as the disk has them: their checksums, small JSON files, and what is written being really there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import Any

from lexel.errors import DataError

_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file to read its bytes; a pipe, device or folder of that name is refused and never waited for.

    Raises:
        OSError: If it cannot be opened, or is no regular file.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except ValueError as cause:  # a NUL in the name
        raise OSError(errno.EINVAL, str(cause)) from cause
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(mode), 'a device')}")
    return open(descriptor, "rb")


_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


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
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, values: Any) -> None:
    """Write a small JSON file for people and programs; an old one stays as it was until the new one is whole.

    Raises:
        OSError: If the disk refuses.
    """
    text = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


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

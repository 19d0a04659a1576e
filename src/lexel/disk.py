"""Files on disk: checksums, small JSON files, and output that appears only when it is complete."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from lexel.errors import DataError

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]

_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file to read its bytes; a pipe, device or folder of that name is refused without waiting for it.

    Raises:
        OSError: If it cannot be opened, or is not a regular file.
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


def refused(error: Exception, *, doing: str = "opened") -> str:
    """Why a file cannot be used: ``no such file``, or for example ``cannot be opened (Permission denied)``."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"cannot be {doing} ({reason(error)})"


def reason(error: BaseException) -> str:
    """What the system says of an error, such as ``Permission denied``; for other errors, their message or type."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; the result is cached until the file changes.

    For a folder, it is the SHA-256 of the names and checksums of all files in it.

    Raises:
        DataError: If it cannot be read.
    """
    if os.path.isdir(path):
        files = sorted(file for file in Path(path).rglob("*") if file.is_file())
        listed = (f"{file.relative_to(path).as_posix()} {sha256_of(file)}\n" for file in files)
        return hashlib.sha256("".join(listed).encode()).hexdigest()
    try:
        status = os.stat(path)
        return _sha256_of(os.path.abspath(path), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: {refused(error)}; expected a file to read") from error


def bytes_of(path: str | os.PathLike[str]) -> int:
    """The size of a file, or of all files in a folder.

    Raises:
        OSError: If it does not exist.
    """
    files = Path(path).rglob("*") if os.path.isdir(path) else [Path(path)]
    return sum(file.stat().st_size for file in files if not file.is_dir())


@lru_cache(maxsize=256)
def _sha256_of(path: str, size: int, modified_ns: int) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, values: Any) -> None:
    """Write a small JSON file for people and programs; an old file is kept until the new one is complete.

    Raises:
        OSError: If the disk refuses.
    """
    write_text(path, json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a small text file; an old file is kept until the new one is complete.

    Raises:
        OSError: If the disk refuses.
    """
    with Part(path, new_file_like(path)) as part:
        with open(part.descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        part.path.replace(path)


_MOST_TRIES = 20
"""Attempts to make a part: between creation and locking, another process may take it for abandoned."""


class Part:
    """A file or folder that is written under a temporary name, next to its final name.

    It is removed at the end of the block unless it was renamed. It is locked while it is written, so that the next
    writer of the same name can recognise and remove what a killed process left.

    Attributes:
        path: Where it is.
        descriptor: The file, open for writing; the caller closes it.
    """

    def __init__(self, final: Path, make: Callable[[Path], int]) -> None:
        """Create the part, and remove the parts that killed processes left for the same name.

        Args:
            final: The final name.
            make: Creates a file or folder, and opens it.

        Raises:
            OSError: If the disk refuses.
        """
        key = hashlib.sha256(os.fsencode(final.name)).hexdigest()[:12]
        for abandoned in final.parent.glob(f".lexel-{key}-*.part"):
            _remove_if_abandoned(abandoned)
        for tries_left in reversed(range(_MOST_TRIES)):
            self.path: Path = final.with_name(f".lexel-{key}-{token_hex(8)}.part")
            try:
                self.descriptor: int = make(self.path)
            except FileNotFoundError:
                if tries_left:  # another process took it for abandoned before it was open
                    continue
                raise
            self._lock = _locked(self.descriptor)
            if self.path.exists() or not tries_left:  # else another process took it for abandoned before it was locked
                break
            self._unlock()
            os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _remove(self.path)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)


def new_file_like(final: Path) -> Callable[[Path], int]:
    """Create a file with the permissions of the file that it replaces."""

    def make(path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        if not final.exists():
            return os.open(path, flags, 0o666)
        mode = stat.S_IMODE(final.stat().st_mode)
        descriptor = os.open(path, flags, mode & 0o600)
        os.chmod(descriptor if os.chmod in os.supports_fd else path, mode)  # also permissions in the umask
        return descriptor

    return make


def new_folder_like(final: Path) -> Callable[[Path], int]:
    """Create a folder with the permissions of the folder that it replaces."""

    def make(path: Path) -> int:
        path.mkdir(mode=0o700 if final.exists() else 0o777)
        if final.exists():
            path.chmod(stat.S_IMODE(final.stat().st_mode))
        return os.open(path if os.name == "posix" else os.devnull, os.O_RDONLY)

    return make


def follow_umask(folder: Path) -> None:
    """Give every file in a folder that Lexel wrote the permissions of a new file, whichever library wrote it.

    safetensors and onnx first write a temporary file that only its owner may read, and keep its permissions.

    Raises:
        OSError: If the disk refuses.
    """
    if os.name != "posix":
        return
    new = folder / f".lexel-{token_hex(8)}"
    new.touch()
    mode = stat.S_IMODE(new.stat().st_mode)
    new.unlink()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(mode)


def _locked(descriptor: int) -> int | None:
    """A second descriptor, which holds a lock after the caller has closed the first; ``None`` on Windows."""
    if flock is None:  # an open file could not be renamed there
        return None
    second = os.dup(descriptor)
    with suppress(OSError):  # a disk without locks: leftover parts stay there
        flock(second, LOCK_EX)
    return second


def _remove_if_abandoned(path: Path) -> None:
    """Remove a part that no process holds."""
    if flock is None:
        return
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            _remove(path)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync(paths: Iterable[Path]) -> None:
    """Flush files to the disk, and on POSIX also the names in folders."""
    for path in paths:
        if path.is_dir() and os.name != "posix":
            continue
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

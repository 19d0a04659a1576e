"""The folder of a job: files that are whole or absent, and a lock that one run holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from lexel.data.files import refusal
from lexel.disk import sync
from lexel.errors import DataError

PLAN, STATUS, MANIFEST = "plan.json", "status.json", "manifest.jsonl"
DATA, SHARDS, AUDIT, FAULTS, PASSES = "data", "shards", "audit", "faults", "passes"
_PART = ".part"
_LOCK = ".lock"


class Store:
    """Files of a job by name.

    Attributes:
        folder: Where they lie.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.folder / name

    def write(self, name: str, data: bytes) -> None:
        """Write a file: aside, synced, renamed; after a crash it is whole or absent.

        Raises:
            DataError: If there is no room for it.
        """
        path = self.path(name)
        part = path.with_name(f".{path.name}.{token_hex(4)}{_PART}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            sync([path.parent])
        except OSError as error:
            raise refusal(error, name=str(path)) from error
        finally:
            with suppress(OSError):
                part.unlink()

    def write_json(self, name: str, values: Any, *, indent: int | None = None) -> None:
        """Write a file of JSON; see ``write``."""
        self.write(name, (json.dumps(values, ensure_ascii=False, indent=indent) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """What a file of JSON holds; ``None`` if it is not there.

        Raises:
            DataError: If it cannot be read.
        """
        try:
            return json.loads(self.path(name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.path(name)}: cannot be read ({error}); expected JSON. Remove it to redo it"
            ) from error

    def names(self, folder: str) -> list[str]:
        """The names of the files in a subfolder, in order."""
        place = self.path(folder)
        if not place.is_dir():
            return []
        return sorted(f"{folder}/{entry.name}" for entry in os.scandir(place) if not entry.name.endswith(_PART))

    def size(self, name: str) -> int | None:
        """A file's size; ``None`` if it is not there."""
        try:
            return self.path(name).stat().st_size
        except OSError:
            return None

    def remove_parts(self) -> int:
        """Remove what killed runs left unfinished; gives how many files."""
        parts = [path for path in self.folder.rglob(f".*{_PART}") if path.is_file()]
        for path in parts:
            path.unlink(missing_ok=True)
        return len(parts)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; the system lets go of it when the process ends, however it ends.

        Raises:
            DataError: If another run holds it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = open(self.path(_LOCK), "a+b")  # noqa: SIM115
        except OSError as error:
            raise refusal(error, name=str(self.folder)) from error
        with file:
            if not _try_lock(file):
                raise DataError(f"{self.folder}: another run works in it; expected to be alone. Wait for its end")
            yield

    @property
    def is_held(self) -> bool:
        """Whether a run works in the folder at the moment."""
        if not self.path(_LOCK).exists():
            return False
        with open(self.path(_LOCK), "a+b") as file:
            return not _try_lock(file)


def _try_lock(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        lock: Any = msvcrt
        try:
            lock.locking(file.fileno(), lock.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

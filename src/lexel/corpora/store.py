"""The store of a job: a folder of this machine, or a prefix in an object store. Each file is complete or absent.

In a folder, files are written under a temporary name, synced and renamed, and one run at a time holds the folder's
lock. An object store has neither rename nor locks. There, each attempt at a shard writes under its own keys, and the
shard's record, which names these keys, is created once: if two workers race, the first one wins, and the other one
removes its files.
"""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from lexel.data.files import refusal
from lexel.data.places import connect, is_url, store_errors
from lexel.disk import refused, sync
from lexel.errors import DataError

PLAN, STATUS, MANIFEST = "plan.json", "status.json", "manifest.jsonl"
DATA, SHARDS, AUDIT, FAULTS, PASSES = "data", "shards", "audit", "faults", "passes"
_PART = ".part"
_LOCK = ".lock"


def open_store(place: str | os.PathLike[str]) -> Store:
    """The store of a folder or a URL; nothing is created before the first file is written.

    Raises:
        MissingExtra: If the library for such URLs is not installed.
    """
    name = os.fspath(place)
    return ObjectStore(name) if is_url(name) else FolderStore(name)


class Store(ABC):
    """Files of a job by name.

    Attributes:
        place: The folder or URL.
    """

    place: str

    def where(self, name: str) -> str:
        """The name of a file in messages."""
        return f"{self.place.rstrip('/')}/{name}"

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            FileNotFoundError: If it does not exist.
            DataError: If it cannot be read.
        """

    @abstractmethod
    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """The bytes of files, ``None`` for missing ones."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write a file in place of an older one; after a crash, it is complete or absent.

        Raises:
            DataError: If there is no room for it, or the store refuses.
        """

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Create a file unless it exists; returns whether it was written."""

    @abstractmethod
    def attempt(self, folder: str, shard: str) -> str:
        """The name of a shard's file for one attempt."""

    @abstractmethod
    def is_attempt(self, name: str, shard: str) -> bool:
        """Whether a file may come from an attempt at a shard."""

    @abstractmethod
    def sizes(self, folder: str) -> dict[str, int]:
        """The sizes of the files in a subfolder, by name, in order."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """A file's size; ``None`` if it does not exist."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""

    @abstractmethod
    def remove_parts(self) -> None:
        """Remove half-written files of killed runs."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the store for one run, if it has locks.

        Raises:
            DataError: If another run holds it.
        """
        yield

    @property
    def is_held(self) -> bool | None:
        """Whether a run is using the store now; ``None`` without locks."""
        return None

    def write_json(self, name: str, values: Any, *, indent: int | None = None) -> None:
        """Write a JSON file; see ``write``."""
        self.write(name, json_bytes(values, indent=indent))

    def read_json(self, name: str) -> Any:
        """The content of a JSON file; ``None`` if it does not exist.

        Raises:
            DataError: If it cannot be read.
        """
        try:
            return json.loads(self.read(name))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise DataError(
                f"{self.where(name)}: cannot be read ({error}); expected JSON. Remove it to redo it"
            ) from error


class FolderStore(Store):
    """A folder of this machine, or of a shared file system.

    Attributes:
        folder: The folder.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.folder: Path = Path(place)

    def path(self, name: str) -> Path:
        """The path of a file."""
        return self.folder / name

    def read(self, name: str) -> bytes:
        """See ``Store.read``."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            raise
        except NotADirectoryError as error:
            raise FileNotFoundError(error.errno, error.strerror, error.filename) from error
        except OSError as error:
            raise DataError(
                f"{self.where(name)}: {refused(error, doing='read')}; expected a file of the job that you may read"
            ) from error

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """See ``Store.read_many``."""
        found: list[bytes | None] = []
        for name in names:
            try:
                found.append(self.read(name))
            except FileNotFoundError:
                found.append(None)
        return found

    def write(self, name: str, data: bytes) -> None:
        """See ``Store.write``: writes a temporary file, syncs and renames it."""
        path = self.folder / name
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

    def create(self, name: str, data: bytes) -> bool:
        """See ``Store.create``: the lock excludes other runs."""
        self.write(name, data)
        return True

    def attempt(self, folder: str, shard: str) -> str:
        """See ``Store.attempt``: all attempts share one name, since a rename replaces the other file."""
        return f"{folder}/{shard}.jsonl"

    def is_attempt(self, name: str, shard: str) -> bool:
        """See ``Store.is_attempt``."""
        return name.partition("/")[2] == f"{shard}.jsonl"

    def sizes(self, folder: str) -> dict[str, int]:
        """See ``Store.sizes``."""
        place = self.folder / folder
        if not place.is_dir():
            return {}
        found = {f"{folder}/{entry.name}": entry.stat().st_size for entry in os.scandir(place)}
        return {name: found[name] for name in sorted(found) if not name.endswith(_PART)}

    def size(self, name: str) -> int | None:
        """See ``Store.size``."""
        try:
            return (self.folder / name).stat().st_size
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """See ``Store.remove``."""
        (self.folder / name).unlink(missing_ok=True)

    def remove_parts(self) -> None:
        """See ``Store.remove_parts``."""
        for path in self.folder.rglob(f".*{_PART}"):
            path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See ``Store.locked``: the system releases the lock when the process ends, for whatever reason."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = open(self.folder / _LOCK, "a+b")  # noqa: SIM115
        except OSError as error:
            raise refusal(error, name=self.place) from error
        with file:
            try:
                is_free = _try_lock(file)
            except OSError as error:
                found = f"cannot be locked ({error.strerror})"
                raise DataError(
                    f"{file.name}: {found}; expected a file system with locks. Use another folder"
                ) from error
            if not is_free:
                raise DataError(f"{self.place}: another run uses it; expected no other run. Wait until it ends")
            yield

    @property
    def is_held(self) -> bool | None:
        """See ``Store.is_held``."""
        if not (self.folder / _LOCK).exists():
            return False
        try:
            with open(self.folder / _LOCK, "a+b") as file:
                return not _try_lock(file)
        except OSError:  # another user's folder, a disk that cannot be written, or one without locks
            return None


class ObjectStore(Store):
    """A prefix in an object store, by fsspec: ``s3://bucket/folder``."""

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/")
        self._filesystem, self._root = connect(self.place)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _told(self, name: str) -> Any:
        return store_errors(self.where(name), expected="a bucket that you may read and write")

    def read(self, name: str) -> bytes:
        """See ``Store.read``."""
        with self._told(name):
            return bytes(self._filesystem.cat_file(self._path(name)))

    def read_many(self, names: Sequence[str]) -> list[bytes | None]:
        """See ``Store.read_many``: in parallel, if the store supports it."""
        if not names:
            return []
        paths = [self._path(name) for name in names]
        with self._told(names[0]):
            found = self._filesystem.cat(paths, on_error="omit")
        return [found.get(path) for path in paths]

    def write(self, name: str, data: bytes) -> None:
        """See ``Store.write``: an object exists once its upload is complete."""
        self._put(name, data, mode="overwrite")

    def create(self, name: str, data: bytes) -> bool:
        """See ``Store.create``: a conditional write, which the store refuses if the key exists."""
        try:
            self._put(name, data, mode="create")
        except FileExistsError:
            return False
        return True

    def _put(self, name: str, data: bytes, *, mode: str) -> None:
        try:
            with self._told(name):
                self._filesystem.pipe_file(self._path(name), data, mode=mode)
        except FileNotFoundError as error:
            raise DataError(
                f"{self.place}: no such bucket ({error}); expected an existing bucket. Create it first"
            ) from error

    def attempt(self, folder: str, shard: str) -> str:
        """See ``Store.attempt``: a unique key."""
        return f"{folder}/{shard}-{token_hex(6)}.jsonl"

    def is_attempt(self, name: str, shard: str) -> bool:
        """See ``Store.is_attempt``."""
        return re.fullmatch(rf"\w+/{shard}-[0-9a-f]{{12}}\.jsonl", name) is not None

    def sizes(self, folder: str) -> dict[str, int]:
        """See ``Store.sizes``."""
        try:
            with self._told(folder):
                listed = self._filesystem.ls(self._path(folder), detail=True)
        except FileNotFoundError:
            return {}
        found = {
            f"{folder}/{one['name'].rpartition('/')[2]}": int(one["size"]) for one in listed if one["type"] == "file"
        }
        return {name: found[name] for name in sorted(found)}

    def size(self, name: str) -> int | None:
        """See ``Store.size``."""
        try:
            with self._told(name):
                return int(self._filesystem.size(self._path(name)))
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """See ``Store.remove``."""
        with suppress(FileNotFoundError), self._told(name):
            self._filesystem.rm_file(self._path(name))

    def remove_parts(self) -> None:
        """See ``Store.remove_parts``: a stopped upload leaves no object."""


def json_bytes(values: Any, *, indent: int | None = None) -> bytes:
    """Values as JSON with a final line feed."""
    return (json.dumps(values, ensure_ascii=False, indent=indent) + "\n").encode("utf-8", "backslashreplace")


def shard_of(name: str) -> str | None:
    """The shard that a file belongs to, by its name."""
    match = re.match(r"\w+/(part-\d+)[-.]", name)
    return None if match is None else match[1]


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

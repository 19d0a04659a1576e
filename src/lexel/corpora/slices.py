"""Files cut into slices of whole lines, and the bytes of one slice.

A slice is a range of the *unpacked* bytes. A plain file is read from any place; a packed one is unpacked from its
start, so a reader keeps its place and goes on from there: a worker that takes slices in order unpacks a file once.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

import numpy as np

from lexel.data.packing import UNREADABLE, packing_of
from lexel.disk import open_regular
from lexel.errors import DataError

BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Slice:
    """Some whole lines of a file.

    Attributes:
        first: Number of its first line, from 0.
        count: How many lines.
        start: Its first byte, unpacked.
        end: One past its last byte.
    """

    first: int
    count: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a file found.

    Attributes:
        bytes: The file's size, as it is on the disk.
        sha256: The checksum of these bytes.
        slices: The file cut into slices.
    """

    bytes: int
    sha256: str
    slices: tuple[Slice, ...]


class _Hashed(io.RawIOBase):
    """A file that hashes what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.sha256.update(data)
        self.size += len(data)
        return len(data)


def scan_file(path: str, *, records: int, most_bytes: int) -> Scan:
    """Cut a file into slices of so many lines, fewer where these have more than so many bytes.

    Raises:
        DataError: If it cannot be read.
    """
    with _reading(path), open_regular(path) as file:
        hashed = _Hashed(file)
        packed = io.BufferedReader(hashed, BLOCK_BYTES)
        packing, cutter = packing_of(path), _Cutter(records, most_bytes)
        for block in _blocks(packed if packing is None else packing.unpack(cast(BinaryIO, packed))):
            cutter.take(block)
        for _ in _blocks(packed):  # what stands behind the end of a packed stream belongs to the checksum
            pass
    return Scan(hashed.size, hashed.sha256.hexdigest(), cutter.finish())


class _Cutter:
    """Cuts a stream of bytes at line ends."""

    def __init__(self, records: int, most_bytes: int) -> None:
        self._records, self._most_bytes = records, most_bytes
        self._slices: list[Slice] = []
        self._at = self._lines = 0  # bytes and lines seen
        self._start = self._first = 0  # of the slice that is begun
        self._last = b"\n"

    def take(self, block: bytes) -> None:
        """Look at the next bytes."""
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10) + (self._at + 1)
        done = 0
        while done < len(ends):
            by_count = self._records - 1 - (self._lines - self._first)
            by_bytes = int(np.searchsorted(ends, self._start + self._most_bytes))
            cut = max(done, min(by_count, by_bytes))
            if cut >= len(ends):
                break
            self._cut(self._lines + cut + 1, int(ends[cut]))
            done = cut + 1
        self._lines += len(ends)
        self._at += len(block)
        self._last = block[-1:]

    def finish(self) -> tuple[Slice, ...]:
        """The slices; a last line without an end counts."""
        if self._last != b"\n":
            self._lines += 1
        if self._lines > self._first:
            self._cut(self._lines, self._at)
        return tuple(self._slices)

    def _cut(self, line: int, at: int) -> None:
        self._slices.append(Slice(self._first, line - self._first, self._start, at))
        self._first, self._start = line, at


class SliceReader:
    """Reads slices, and keeps the last file open at the place that was reached."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._file: Any = None
        self._stream: Any = None
        self._at = 0

    def read(self, path: str, start: int, end: int) -> bytes:
        """The bytes of a slice.

        Raises:
            DataError: If the file cannot be read, or ends before the slice does.
        """
        with _reading(path):
            if path != self._path or (self._is_packed and start < self._at):
                self._open(path)
            if self._is_packed:
                self._skip(start - self._at)
            else:
                self._stream.seek(start)
            data: bytes = self._take(end - start)
            self._at = end
        if len(data) != end - start:
            found = f"ends at byte {start + len(data):,}, the plan has {end:,}"
            raise DataError(f"{path}: {found}; expected the file that was planned. Put it back, or plan anew")
        return data

    @property
    def _is_packed(self) -> bool:
        return self._path is not None and packing_of(self._path) is not None

    def _open(self, path: str) -> None:
        self.close()
        self._file = file = open_regular(path)
        packing = packing_of(path)
        self._stream = file if packing is None else packing.unpack(file)
        self._path, self._at = path, 0

    def _skip(self, size: int) -> None:
        while size > 0 and (data := self._stream.read(min(size, BLOCK_BYTES))):
            size -= len(data)

    def _take(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and (data := self._stream.read(size)):
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the file."""
        for one in (self._stream, self._file):  # what unpacks a file does not close it
            if one is not None:
                one.close()
        self._path = self._stream = self._file = None


def _blocks(stream: Any) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Say in one line why a file cannot be read."""
    try:
        yield
    except OSError as error:
        what = "is gone" if not os.path.exists(path) else f"cannot be read ({error.strerror or error})"
        raise DataError(f"{path}: {what}; expected the input of the job. Put it back and run again") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); expected a whole file. Fetch it again") from error

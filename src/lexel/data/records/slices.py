"""Cuts files into slices of complete records: every record is in exactly one slice, and slices are read independently.

A slice is a range of the *decompressed* bytes of a file, or of a Parquet table's rows. A plain file can be read from
any position. To reach a slice, a compressed file is decompressed from its start, and a Parquet row group is decoded
from its start. A ``SliceReader`` therefore keeps its position, so reading slices in order decompresses or decodes once.
"""

from __future__ import annotations

import csv
import hashlib
import io
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from lexel.data.faults import Faults
from lexel.data.files import LineReader
from lexel.data.json_values import element_texts
from lexel.data.packing import UNREADABLE, packing_of
from lexel.data.places import exists, open_place
from lexel.data.records.csv import csv_rows, delimiter_of
from lexel.data.records.parquet import ParquetTable, cut_parquet
from lexel.data.records.record import RecordColumns
from lexel.data.records.rows import Row, RowOptions, Slice
from lexel.data.records.table import RecordFormat
from lexel.errors import DataError

BLOCK_BYTES = 1 << 20
SLICE_BYTES = 8 << 20
COLUMNS = RecordColumns()
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of one pass over a file.

    Attributes:
        bytes: The file's size on disk.
        sha256: The SHA-256 of these bytes.
        slices: The file cut into slices, in order.
    """

    bytes: int
    sha256: str
    slices: tuple[Slice, ...]


def scan_file(
    path: str,
    format: RecordFormat,
    *,
    records: int,
    most_bytes: int = SLICE_BYTES,
    encoding: str = "utf-8",
    columns: RecordColumns = COLUMNS,
) -> Scan:
    """Cut a file into slices, and compute its checksum in the same pass.

    Args:
        path: The file.
        format: Its format.
        records: Records per slice. In Parquet: whole row groups with at least this many rows, unless a group has more.
        most_bytes: A slice ends with the record that brings it to this many decompressed bytes; no limit for Parquet.
        encoding: The encoding of the file. If the byte 10 is not a line end in it (UTF-16), the file is one slice; for
            a JSON array, so it is in any encoding but UTF-8.
        columns: The names of the columns, which determine the separator of a CSV file.

    Raises:
        DataError: If the file cannot be read.
    """
    options = RowOptions(name=path, columns=columns, faults=Faults("skip"), encoding=encoding)
    cutter = _Cutter(records, most_bytes)
    with _reading(path), open_place(path) as file:
        hashed = _Hashed(file)
        packed = io.BufferedReader(hashed, BLOCK_BYTES)
        if format.cut == "table":
            slices = list(cut_parquet(path, records=records))
        else:
            packing = packing_of(path)
            unpacked = cast(BinaryIO, packed) if packing is None else packing.unpack(cast(BinaryIO, packed))
            slices = _cut(unpacked, path, format, options, cutter)
        for _ in _blocks(packed):  # bytes after the end of a compressed stream are part of the checksum
            pass
    return Scan(hashed.size, hashed.sha256.hexdigest(), tuple(slices))


def _cut(stream: BinaryIO, path: str, format: RecordFormat, options: RowOptions, cutter: _Cutter) -> list[Slice]:
    is_array = format.cut == "values" and _head_of(path, format, options.encoding) == "["
    if not _ends_lines_with_10(options.encoding) or (is_array and not _is_utf8(options.encoding)):
        return _one_slice(stream, path, format, options)
    if is_array:
        _take_elements(stream, cutter, path, options.encoding)
        return cutter.finish()
    header = b""
    if format.has_header and (header := stream.readline()):
        cutter.begin(len(header), line=1)
    elif _is_utf8(options.encoding) and stream.peek(3)[:3] == BOM_UTF8:  # type: ignore[attr-defined]
        cutter.begin(3)  # a file with nothing else has no line
    if format.cut == "rows":
        _take_rows(stream, cutter, header, options)
        return cutter.finish()
    at = len(header)
    for block in _blocks(stream):
        cutter.take(np.flatnonzero(np.frombuffer(block, np.uint8) == 10) + (at + 1))
        at += len(block)
    return cutter.finish(at)


def _ends_lines_with_10(encoding: str) -> bool:
    return "\na".encode(encoding)[-2:] == b"\na"


def _is_utf8(encoding: str) -> bool:
    return "他".encode(encoding).endswith("他".encode())


def _head_of(path: str, format: RecordFormat, encoding: str) -> str:
    """What the reader of a slice needs from the beginning of its file."""
    lines = LineReader(path, encoding=encoding)
    if format.has_header:
        return next(iter(lines), "")
    return lines.first_sign() if format.cut == "values" else ""


def _one_slice(stream: BinaryIO, path: str, format: RecordFormat, options: RowOptions) -> list[Slice]:
    """The whole file, including a header, for an encoding in which record ends cannot be found in the bytes."""
    faults = options.faults
    count = sum(1 for _ in format.read_rows(path, options)) + faults.count + faults.n_blank
    size = sum(map(len, _blocks(stream)))
    return [Slice(0, count, 0, size)] if count else []


def _take_elements(stream: BinaryIO, cutter: _Cutter, path: str, encoding: str) -> None:
    """Cut after the commas of an array in UTF-8."""
    at = 0
    for block in _blocks(stream):  # only whitespace and a byte order mark come before the bracket
        if (found := block.find(b"[")) >= 0:
            at += found + 1
            break
        at += len(block)
    cutter.begin(at)
    for text in element_texts(LineReader(path, encoding=encoding).text_blocks(), path):
        at += len(text.encode()) + 1
        if text and not text.isspace():
            cutter.take(np.array([at]))
    for _ in _blocks(stream):
        pass


def _take_rows(stream: BinaryIO, cutter: _Cutter, header: bytes, options: RowOptions) -> None:
    """Cut between the records of a CSV file; the CSV reader determines where each ends."""
    at, line = len(header), 1
    names = header.decode(options.encoding, "replace").removeprefix("\ufeff").rstrip("\r\n")

    def lines() -> Iterator[str]:
        nonlocal at, line
        for data in stream:
            at, line = at + len(data), line + 1
            yield data.decode(options.encoding, "replace")

    rows = csv_rows(lines(), delimiter_of(names, options.columns.text))
    ends: list[tuple[int, int]] = []
    is_over = False
    while not is_over:
        before = line
        try:
            next(rows)
        except StopIteration:
            is_over = True
        except csv.Error:  # the reader of the slice reports what is wrong with it
            pass
        if line > before:
            ends.append((at, line))
        if len(ends) == _ROWS or is_over:
            found = np.array(ends, np.int64).reshape(-1, 2)
            cutter.take(found[:, 0], found[:, 1])
            ends.clear()


class _Cutter:
    """Cuts a file where records end."""

    def __init__(self, records: int, most_bytes: int) -> None:
        self._records, self._most_bytes = records, most_bytes
        self._slices: list[Slice] = []
        self.begin(0)

    def begin(self, at: int, *, line: int = 0) -> None:
        """Set where the first record begins."""
        self._start = self._end = at  # of the current slice, and of its last record
        self._first = self._line = line
        self._count = 0

    def take(self, ends: NDArray[np.int64], lines: NDArray[np.int64] | None = None) -> None:
        """Take more records.

        Args:
            ends: One past the last byte of each.
            lines: The number of lines that end there, if a record is not a line.
        """
        done = 0
        while done < len(ends):
            by_count = done + self._records - self._count - 1
            by_bytes = int(np.searchsorted(ends, self._start + self._most_bytes))
            cut = max(done, min(by_count, by_bytes))
            last = min(cut, len(ends) - 1)
            taken, done = last + 1 - done, last + 1
            self._count += taken
            self._line = self._line + taken if lines is None else int(lines[last])
            self._end = int(ends[last])
            if last == cut:
                self._cut()

    def _cut(self) -> None:
        self._slices.append(Slice(self._first, self._count, self._start, self._end))
        self._start, self._first, self._count = self._end, self._line, 0

    def finish(self, size: int | None = None) -> list[Slice]:
        """The slices.

        Args:
            size: The end of the file; a last line without a line end counts.
        """
        if size is not None and size > self._end:
            self._count, self._end = self._count + 1, size
        if self._count:
            self._cut()
        return self._slices


class _Hashed(io.RawIOBase):
    """A file that hashes the bytes read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.sha256.update(data)
        self.size += len(data)
        return len(data)


def _blocks(stream: BinaryIO | io.BufferedReader) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


class SliceReader:
    """Reads the rows of slices, and keeps the last file open at its current position."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._file: Any = None
        self._stream: Any = None
        self._table: ParquetTable | None = None
        self._head = ""
        self._at = 0

    def rows(self, path: str, format: RecordFormat, options: RowOptions) -> Iterator[Row]:
        """The rows of the slice ``options.part``.

        Raises:
            DataError: If the file cannot be read, or ends before the slice.
        """
        part = options.part
        if part is None:
            raise ValueError("options.part is None; expected a slice")
        key = path, format.name, options.encoding, options.columns
        with _reading(path):
            if key != self._key or (self._table is None and part.start < self._at and packing_of(path) is not None):
                self._open(path, format, options)
                self._key = key
            if self._table is None:
                self._seek(path, part.start)
        if self._table is not None:
            yield from self._table.rows(options)
            return
        header = self._head if part.start else None
        with io.BufferedReader(_Range(self._take, part.end - part.start, path), BLOCK_BYTES) as stream:
            yield from format.read_rows(stream, replace(options, header=header))

    def _open(self, path: str, format: RecordFormat, options: RowOptions) -> None:
        self.close()
        self._file = self._stream = open_place(path)
        if format.cut == "table":
            self._table = ParquetTable(path, options)
            return
        self._head = _head_of(path, format, options.encoding)
        if (packing := packing_of(path)) is not None:
            self._stream = packing.unpack(self._file)
        self._at = 0

    def _seek(self, path: str, at: int) -> None:
        if packing_of(path) is None:
            self._stream.seek(at)
            self._at = at
        while self._at < at and self._take(min(at - self._at, BLOCK_BYTES)):
            pass

    def _take(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        for one in (self._stream, self._file, self._table):  # a decompressing stream does not close its file
            if one is not None:
                one.close()
        self._key, self._stream, self._file, self._table = (), None, None, None


class _Range(io.RawIOBase):
    """The next bytes of a stream."""

    def __init__(self, take: Callable[[int], bytes], size: int, name: str) -> None:
        self._take, self._left, self.name = take, size, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._take(min(len(buffer), self._left)) if self._left else b""
        if not data and self._left:
            raise EOFError(f"the file ends {self._left:,} bytes before its slice does")
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Report in one line why a file cannot be read."""
    try:
        yield
    except UNREADABLE as error:
        if not exists(path):
            what, advice = "is missing", "Put it back and run again"
        elif isinstance(error, OSError) and error.strerror:
            what, advice = f"cannot be read ({error.strerror})", "Check the name and the permissions"
        else:
            what, advice = f"cannot be unpacked ({error})", "Fetch it again"
        raise DataError(f"{path}: {what}; expected a whole file. {advice}") from error

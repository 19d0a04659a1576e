"""Files cut into slices of whole records: every record is in exactly one, and a slice is read without the others.

A slice is a range of the *unpacked* bytes of a file, or of a Parquet file's row groups. A plain file is read from any
place; a packed one is unpacked from its start up to the slice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, cast

import numpy as np

from lexel.data.files import LineReader, open_unpacked
from lexel.data.packing import UNREADABLE, packing_of
from lexel.data.records.csv import delimiter_of
from lexel.data.records.parquet import plan_parquet_slices
from lexel.data.records.record import RecordColumns
from lexel.data.records.rows import Slice
from lexel.data.records.table import RecordFormat
from lexel.errors import DataError

BLOCK_BYTES = 1 << 20
SLICE_BYTES = 8 << 20
COLUMNS = RecordColumns()


def plan_slices(
    path: str,
    format: RecordFormat,
    *,
    records: int,
    most_bytes: int = SLICE_BYTES,
    encoding: str = "utf-8",
    columns: RecordColumns = COLUMNS,
) -> list[Slice]:
    """Cut a file into slices.

    Args:
        path: The file.
        format: Its format.
        records: Lines of a slice; of Parquet, rows, rounded up to whole row groups.
        most_bytes: A slice ends before it has more bytes than this, unless a single record has.
        encoding: How the file is encoded; its line ends must be the byte 10.
        columns: How the columns are called, which says what separates the cells of a CSV file.

    Returns:
        The slices in order; a header belongs to none of them.

    Raises:
        DataError: If the file cannot be read.
    """
    if format.cut == "groups":
        return plan_parquet_slices(path, records=records)
    cutter = _Cutter(records, most_bytes)
    try:
        with open_unpacked(path) as stream:
            if format.name == "jsonl" and _first_sign(path, encoding) == "[":  # an array is read as a whole
                cutter = _Cutter(1 << 62, 1 << 62)
            if format.cut == "rows":
                _take_rows(stream, cutter, encoding, columns.text)
            else:
                for block in _blocks(stream):
                    cutter.take(np.flatnonzero(np.frombuffer(block, np.uint8) == 10) + 1, block)
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a whole file. Fetch it again") from error
    return cutter.finish(has_header=format.has_header)


def _first_sign(path: str, encoding: str) -> str:
    return LineReader(path, encoding=encoding).first_sign()


def _take_rows(stream: BinaryIO, cutter: _Cutter, encoding: str, text: str) -> None:
    """Cut between the records of a CSV file: the reader itself says where each ends."""
    taken: list[bytes] = []

    def lines() -> Iterator[str]:
        for line in stream:
            taken.append(line)
            yield line.decode(encoding, "replace")

    decoded = lines()
    header = next(decoded, "")
    delimiter = delimiter_of(header.removeprefix("\ufeff").rstrip("\r\n"), text)
    rows = csv.reader(chain([header], decoded), delimiter=delimiter, strict=True)
    is_over = False
    while not is_over:
        try:
            next(rows)
        except StopIteration:
            is_over = True
        except csv.Error:  # the reader of the slice says what is wrong with it
            pass
        record = b"".join(taken)
        taken.clear()
        if record:
            cutter.take(np.array([len(record)]), record, lines=record.count(b"\n"))


class _Cutter:
    """Cuts a stream of bytes where records may end."""

    def __init__(self, records: int, most_bytes: int) -> None:
        self._records, self._most_bytes = records, most_bytes
        self._slices: list[Slice] = []
        self._at = self._line = 0  # bytes and lines seen
        self._first = self._start = 0  # of the slice that is begun
        self._end = 0  # of the last whole record
        self._header: tuple[int, int] | None = None
        self._last = b"\n"

    def take(self, ends: Any, block: bytes, *, lines: int | None = None) -> None:
        """Look at the next bytes.

        Args:
            ends: Where records end in them.
            block: The bytes.
            lines: How many lines they are, if these are not the records.
        """
        step = 1 if lines is None else lines
        for end in (ends + self._at).tolist():
            if self._line + step - self._first > self._records or end - self._start > self._most_bytes:
                self._cut(self._end)
            self._line += step
            self._end = end
            if self._header is None:
                self._header = (self._line, end)
        self._at += len(block)
        self._last = block[-1:] or self._last

    def _cut(self, at: int) -> None:
        if self._line > self._first:
            self._slices.append(Slice(self._first, self._line - self._first, self._start, at))
            self._first, self._start = self._line, at

    def finish(self, *, has_header: bool) -> list[Slice]:
        """The slices; a last line without an end counts, a header does not."""
        if self._last != b"\n":
            self._line += 1
        self._cut(self._at)
        slices = self._slices
        if not has_header or not slices:
            return slices
        lines, end = self._header or (self._line, self._at)
        head, *others = slices
        rest = Slice(head.first + lines, head.count - lines, end, head.end)
        return [rest, *others] if rest.count else others


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


class _Range(io.RawIOBase):
    """Some bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        self._stream, self._left, self.name = stream, size, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._stream.read(min(len(buffer), self._left))
        if not data and self._left:
            raise EOFError(f"the file ends {self._left:,} bytes before its slice does")
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def open_slice(path: str, part: Slice) -> BinaryIO:
    """The unpacked bytes of a slice.

    Raises:
        DataError: If the file cannot be opened.
    """
    try:
        stream = open_unpacked(path)
        if packing_of(path) is None:
            stream.seek(part.start)
        else:
            left = part.start
            while left and (skipped := len(stream.read(min(left, BLOCK_BYTES)))):
                left -= skipped
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read ({error}); expected the file that was cut. Put it back") from error
    return cast(BinaryIO, io.BufferedReader(_Range(stream, part.end - part.start, path), BLOCK_BYTES))

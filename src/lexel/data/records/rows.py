"""Rows of named columns, each with its place in the file: the interface of record formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from lexel.data.faults import Faults
from lexel.data.files import Source, Target
from lexel.data.records.record import RecordColumns

Cut = Literal["lines", "values", "rows", "table"]
"""Where a file can be cut: at any line end; between JSON values, which are lines or the elements of one array; at line
ends outside quotes; between the rows of a Parquet table."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of complete records of a file.

    Attributes:
        first: The number of lines before it; in an array and in Parquet, the number of records.
        count: The number of its records, including blank lines but not a header.
        start: Its first byte after decompression; in Parquet, its first row.
        end: One past its last byte or row.
    """

    first: int
    count: int
    start: int
    end: int


class Row(NamedTuple):
    """A row.

    Attributes:
        place: The line where it begins, or its number, from 1.
        values: The value of each column.
    """

    place: int
    values: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """Options for reading rows.

    Attributes:
        name: The file's name in messages.
        columns: The columns to read.
        faults: How to handle a row that cannot be read.
        encoding: The encoding of the input.
        part: The slice of a file that the source holds, or the slice to read.
        header: The beginning of the file, if the source starts after it: a table's first line, or an array's ``[``.
    """

    name: str
    columns: RecordColumns
    faults: Faults
    encoding: str = "utf-8"
    part: Slice | None = None
    header: str | None = None

    @property
    def first(self) -> int:
        """The number of lines of the file before the source."""
        return 0 if self.part is None else self.part.first


class ReadRows(Protocol):
    """The signature of every ``read_x_rows``."""

    def __call__(self, source: Source, options: RowOptions, /) -> Iterator[Row]: ...


class WriteRows(Protocol):
    """The signature of every ``write_x_rows``."""

    def __call__(self, rows: Iterable[Mapping[str, Any]], out: Target, /) -> None: ...

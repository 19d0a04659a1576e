"""What a format gives and takes: rows of named columns, each with its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from lexel.data.faults import Faults
from lexel.data.files import Source, Target
from lexel.data.records.record import RecordColumns

Cut = Literal["lines", "values", "rows", "table"]
"""Where a file can be cut: at any line end; between JSON values, which are lines or the elements of one array; at line
ends outside of quotes; between the rows of a Parquet table."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some whole records of a file.

    Attributes:
        first: How many lines come before it; in an array and in Parquet, how many records.
        count: How many records it has. Blank lines count; a header does not.
        start: Its first byte, unpacked; in Parquet its first row.
        end: One past its last byte or row.
    """

    first: int
    count: int
    start: int
    end: int


class Row(NamedTuple):
    """A row.

    Attributes:
        place: The line it begins in, or its number, from 1.
        values: What stands under each column.
    """

    place: int
    values: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """How rows are read.

    Attributes:
        name: What messages call the file.
        columns: Which columns are wanted.
        faults: What happens at a row that cannot be read.
        encoding: How bytes are decoded.
        part: The slice of a file that the source holds, or that is to be read.
        header: How the file begins, if the source begins after that: the first line of a table, or an array's ``[``.
    """

    name: str
    columns: RecordColumns
    faults: Faults
    encoding: str = "utf-8"
    part: Slice | None = None
    header: str | None = None

    @property
    def first(self) -> int:
        """How many lines of the file come before the source."""
        return 0 if self.part is None else self.part.first


class ReadRows(Protocol):
    """Every ``read_x_rows``."""

    def __call__(self, source: Source, options: RowOptions, /) -> Iterator[Row]: ...


class WriteRows(Protocol):
    """Every ``write_x_rows``."""

    def __call__(self, rows: Iterable[Mapping[str, Any]], out: Target, /) -> None: ...

"""Parquet: one record per row, with annotation in the columns of ``lexel.data.parquet``."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import accumulate, chain
from typing import Any

from lexel.data.files import Source, Target, name_of, open_binary, write_errors
from lexel.data.parquet import (
    READ_ROWS,
    annotation_schema,
    build_table,
    first_line,
    flat_row,
    in_groups,
    load_pyarrow,
    table_writer,
    unit_of,
    with_annotation,
)
from lexel.data.places import is_url, open_place
from lexel.data.records.record import ANNOTATION
from lexel.data.records.rows import Row, RowOptions, Slice
from lexel.errors import DataError

_ANNOTATION_COLUMNS = ("word_", "entity_", "nested_", "pos")
_UNIT = "offset_unit"


def read_parquet_rows(source: Source, options: RowOptions, /) -> Iterator[Row]:
    """Reads each row of a table, or of a slice.

    Raises:
        DataError: If it is not a Parquet file, or does not have the text's column.
    """
    with closing(ParquetTable(source, options)) as table:
        yield from table.rows(options)


class ParquetTable:
    """An open table. Slices read in order are decoded once; others are decoded from the start of their row group."""

    def __init__(self, source: Source, options: RowOptions) -> None:
        """Open the table.

        Raises:
            DataError: If it is not a Parquet file, or does not have the text's column.
        """
        self._name = options.name
        if source == "-":
            raise DataError(f"{self._name}: Parquet cannot be read from a pipe; expected a file; pass its path")
        arrow, parquet = load_pyarrow()
        self._errors = (arrow.ArrowException, OSError)
        with self._reading():
            self._file = parquet.ParquetFile(_place_of(source))
            self._columns = _wanted(self._file.schema_arrow.names, options)
            self._unit = unit_of(self._file.schema_arrow)
            self._starts = list(accumulate(_group_sizes(self._file), initial=0))
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None  # the decoded rows, from `_at` on
        self._at = self._starts[-1] + 1

    def rows(self, options: RowOptions) -> Iterator[Row]:
        """The rows of ``options.part``, or all of them.

        Raises:
            DataError: If they cannot be read.
        """
        part = options.part
        first, end = (0, self._starts[-1]) if part is None else (part.first, part.first + part.count)
        if end > self._starts[-1]:
            found = f"has {self._starts[-1]:,} rows, the slice ends at {end:,}"
            raise DataError(f"{self._name}: {found}; expected the file that was cut. Put it back")
        while first < end:
            with self._reading():
                self._seek(first)
                rows = self._take(end - first).to_pylist()
            for place, values in enumerate(rows, first + 1):
                try:
                    yield Row(place, with_annotation(values, self._unit))
                except ValueError as error:
                    options.faults.take(DataError(f"{self._name}:{place}: {error}").at(self._name, place, repr(values)))
            first += len(rows)

    def _seek(self, row: int) -> None:
        group = max(0, bisect_right(self._starts, row) - 1)
        if not self._starts[group] <= self._at <= row:
            groups = range(group, self._file.num_row_groups)
            batches = self._file.iter_batches(batch_size=READ_ROWS, row_groups=list(groups), columns=self._columns)
            self._batches, self._batch, self._at = iter(batches), None, self._starts[group]
        while self._at < row and self._take(row - self._at) is not None:
            pass

    def _take(self, most: int) -> Any:
        """The next rows, up to a maximum number; ``None`` at the end."""
        if self._batch is None or not self._batch.num_rows:
            self._batch = next(self._batches, None)
            if self._batch is None:
                return None
        taken, self._batch = self._batch.slice(0, most), self._batch.slice(most)
        self._at += taken.num_rows
        return taken

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            found = f"cannot be read as Parquet ({first_line(error)})"
            raise DataError(f"{self._name}: {found}; expected a whole Parquet file") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _group_sizes(file: Any) -> list[int]:
    return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def _wanted(names: list[str], options: RowOptions) -> list[str] | None:
    text, wanted = options.columns.text, options.columns.wanted
    if text not in names:
        found = ", ".join(map(repr, names[:12]))
        raise DataError(f"{options.name}: no column {text!r} among {found}; name the text column with --text-column")
    if wanted is None:
        return None
    return [name for name in names if name in wanted or name.startswith(_ANNOTATION_COLUMNS)]


def _place_of(source: Source) -> Any:
    """The argument for pyarrow: a path or a stream; the URL of an object store becomes a stream."""
    if not isinstance(source, str | os.PathLike):
        return source
    name = os.fspath(source)
    return open_place(name) if is_url(name) else name


def cut_parquet(path: str, *, records: int) -> Iterator[Slice]:
    """Slices that end at a row group if they have enough rows by then; larger groups are split.

    Raises:
        DataError: If it is not a Parquet file.
    """
    arrow, parquet = load_pyarrow()
    try:
        with closing(parquet.ParquetFile(_place_of(path))) as file:
            sizes = _group_sizes(file)
    except (arrow.ArrowException, OSError) as error:
        found = f"cannot be read as Parquet ({first_line(error)})"
        raise DataError(f"{path}: {found}; expected a whole Parquet file") from error
    first = end = 0
    for size in sizes:
        if size > records and end > first:
            yield Slice(first, end - first, first, end)
            first = end
        end += size
        while end - first >= records:
            count = min(end - first, records) if size > records else end - first
            yield Slice(first, count, first, first + count)
            first += count
    if end > first:
        yield Slice(first, end - first, first, end)


def write_parquet_rows(rows: Iterable[Mapping[str, Any]], out: Target, /) -> None:
    """Write rows as a table; the first group of rows determines the columns.

    Raises:
        DataError: If a later row does not match the columns.
    """
    arrow, parquet = load_pyarrow()
    name = name_of(out, standard="<stdout>")
    groups = in_groups(map(dict, rows))
    first = next(groups, [])
    schema = _schema(arrow, first)
    with open_binary(out) as stream, table_writer(arrow, parquet, stream, schema) as writer:
        number = 1
        for group in chain([first], groups):
            flat = [flat_row(row) for row in group]
            with write_errors(name):
                writer.write_table(_table(arrow, flat, schema, name=name, first_row=number))
            number += len(group)


def _schema(arrow: Any, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The columns of the first rows: those of annotation if any row has some, and the others, typed by their values."""
    is_annotated = any(name in row for row in rows for name in ANNOTATION)
    unit = next((row[_UNIT] for row in rows if _UNIT in row), "char")
    schema = annotation_schema(arrow, unit, has_nested=any(row.get("nested") is not None for row in rows))
    if not is_annotated:
        schema = arrow.schema([("id", arrow.string()), ("text", arrow.string())])
    names = dict.fromkeys(
        name
        for row in rows
        for name in flat_row(row)
        if name not in annotation_schema(arrow, unit, has_nested=True).names
    )
    for name in names:
        kind = _type(arrow, name, [row.get(name) for row in rows])
        schema = schema.append(arrow.field(name, arrow.string() if arrow.types.is_null(kind) else kind))
    return schema


def _type(arrow: Any, name: str, values: list[Any]) -> Any:
    try:
        return arrow.infer_type(values)
    except (arrow.ArrowException, TypeError) as error:
        found = f"column {name!r} has values of several types ({first_line(error)})"
        raise DataError(f"{found}; expected one; write JSON lines, or leave the column out (--keep)") from error


def _table(arrow: Any, rows: list[dict[str, Any]], schema: Any, *, name: str, first_row: int) -> Any:
    known = set(schema.names)
    for number, row in enumerate(rows, first_row):
        if others := [key for key in row if key not in known and row[key] is not None]:
            advice = "expected those of the first records; name them with --keep, or write JSON lines"
            raise DataError(f"{name}:{number}: column {others[0]!r} is new; {advice}")
    try:
        return build_table(arrow, rows, schema, name=name, first_row=first_row)
    except (arrow.ArrowException, TypeError) as error:
        advice = "expected columns of one type each; write JSON lines, or leave the column out (--keep)"
        raise DataError(f"{name}:{first_row}: {first_line(error)}; {advice}") from error

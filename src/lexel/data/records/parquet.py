"""Parquet: each row of a table, by its columns, with annotation in the columns of ``lexel.data.parquet``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
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
from lexel.data.records.record import ANNOTATION
from lexel.data.records.rows import Row, RowOptions, Slice
from lexel.errors import DataError

_ANNOTATION_COLUMNS = ("word_", "entity_", "nested_", "pos")
_UNIT = "offset_unit"


def read_parquet_rows(source: Source, options: RowOptions, /) -> Iterator[Row]:
    """Each row of a table, or of the row groups of a slice.

    Raises:
        DataError: If it is no Parquet file, or has no column of the text.
    """
    if source == "-":
        raise DataError(f"{options.name}: Parquet begins at its end; expected a file, not a pipe; give the path")
    arrow, parquet = load_pyarrow()
    try:
        with parquet.ParquetFile(os.fspath(source) if isinstance(source, os.PathLike) else source) as file:
            names = _wanted(file.schema_arrow.names, options)
            unit = unit_of(file.schema_arrow)
            part = options.part
            groups = range(file.num_row_groups) if part is None else range(part.start, part.end)
            place = options.first
            for batch in file.iter_batches(batch_size=READ_ROWS, row_groups=list(groups), columns=names):
                for values in batch.to_pylist():
                    place += 1
                    yield Row(place, with_annotation(values, unit))
    except (arrow.ArrowException, OSError) as error:
        found = f"cannot be read as Parquet ({first_line(error)})"
        raise DataError(f"{options.name}: {found}; expected a whole Parquet file") from error


def _wanted(names: list[str], options: RowOptions) -> list[str] | None:
    text, wanted = options.columns.text, options.columns.wanted
    if text not in names:
        found = ", ".join(map(repr, names[:12]))
        raise DataError(f"{options.name}: no column {text!r} among {found}; name that of the text with --text-column")
    if wanted is None:
        return None
    return [name for name in names if name in wanted or name.startswith(_ANNOTATION_COLUMNS)]


def plan_parquet_slices(path: str, *, records: int) -> list[Slice]:
    """Slices of whole row groups with at least so many rows, but for the last.

    Raises:
        DataError: If it is no Parquet file.
    """
    arrow, parquet = load_pyarrow()
    try:
        with closing(parquet.ParquetFile(path)) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    except (arrow.ArrowException, OSError) as error:
        found = f"cannot be read as Parquet ({first_line(error)})"
        raise DataError(f"{path}: {found}; expected a whole Parquet file") from error
    slices: list[Slice] = []
    first = start = rows = 0
    for group, size in enumerate(sizes, 1):
        rows += size
        if rows >= records or group == len(sizes):
            slices.append(Slice(first, rows, start, group))
            first, start, rows = first + rows, group, 0
    return [one for one in slices if one.count]


def write_parquet_rows(rows: Iterable[Mapping[str, Any]], out: Target, /) -> None:
    """Write rows as a table, whose columns the first group of rows decides.

    Raises:
        DataError: If a later row does not fit them.
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
    """The columns of the first rows: those of annotation if one has any, and the others as their values are."""
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

"""Reads records from a file or a part of it, and writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from lexel.data.faults import Faults
from lexel.data.files import Source, Target, ending_of, name_of
from lexel.data.records.record import Record, RecordColumns, columns_of_record, record_of
from lexel.data.records.rows import Row, RowOptions, Slice
from lexel.data.records.slices import SliceReader
from lexel.data.records.table import RECORD_FORMATS, RecordFormat
from lexel.errors import DataError

COLUMNS = RecordColumns()


def record_format(place: Source | Target, name: str | None = None) -> RecordFormat:
    """The format of that name; without a name, the format for the file's ending.

    Raises:
        DataError: If it is unknown; the message lists the known ones.
    """
    if name is not None:
        if name not in RECORD_FORMATS:
            raise DataError(f"{name!r} is not a format of records; expected one of {', '.join(RECORD_FORMATS)}")
        return RECORD_FORMATS[name]
    ending = ending_of(name_of(place))
    for format in RECORD_FORMATS.values():
        if ending in format.endings:
            return format
    expected = ", ".join(ending for format in RECORD_FORMATS.values() for ending in format.endings)
    raise DataError(f"{name_of(place)}: ending {ending!r}; expected one of {expected}; or name the format")


def open_records(
    source: Source,
    *,
    format: str | None = None,
    columns: RecordColumns = COLUMNS,
    encoding: str = "utf-8",
    faults: Faults | None = None,
    part: Slice | None = None,
    header: str | None = None,
    slices: SliceReader | None = None,
) -> Iterator[Record]:
    """The records of a file, in order, one at a time.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        format: Its name; by default, from the file's ending.
        columns: The columns of the text and the id, and the other columns to keep.
        encoding: The encoding of the input.
        faults: How to handle a record that cannot be read; an error by default.
        part: Read only this slice of the file (see ``scan_file``); for a stream, the slice that it holds.
        header: The beginning of the file, if a stream holds a slice: the first line of a table, or the ``[`` of an
            array. For a path, it is read from the file.
        slices: Keeps a path open between slices, so that slices of a compressed file in order are decompressed once.

    Raises:
        DataError: With ``path:place`` of a record that cannot be read.
    """
    chosen = record_format(source, format)
    faults = Faults() if faults is None else faults
    options = RowOptions(
        name=name_of(source), columns=columns, faults=faults, encoding=encoding, part=part, header=header
    )
    if part is not None and isinstance(source, str | os.PathLike):
        rows = _rows_of_slice(os.fspath(source), chosen, options, slices)
    else:
        rows = chosen.read_rows(source, options)
    for place, values in rows:
        try:
            record = record_of(values, columns, place=place)
        except ValueError as error:
            faults.take(_fault(options.name, place, values, error))
        else:
            yield record


def _rows_of_slice(path: str, format: RecordFormat, options: RowOptions, slices: SliceReader | None) -> Iterator[Row]:
    if slices is not None:
        yield from slices.rows(path, format, options)
        return
    with closing(SliceReader()) as reader:
        yield from reader.rows(path, format, options)


def _fault(name: str, place: int, values: Any, error: ValueError) -> DataError:
    return DataError(f"{name}:{place}: {error}").at(name, place, repr(values))


def write_records(records: Iterable[Record], out: Target, *, format: str | None = None, unit: str = "char") -> None:
    """Write records; a file appears only when it is complete.

    Args:
        records: Any records.
        out: A path (also compressed), ``"-"`` or an open stream.
        format: The format's name; by default, from the file's ending.
        unit: The unit of offsets: ``char``, ``utf16`` or ``byte``.

    Raises:
        DataError: If the format cannot hold a record.
    """
    chosen = record_format(out, format)
    chosen.write_rows((columns_of_record(record, unit=unit) for record in records), out)

"""Tables in CSV (with the quotes of RFC 4180) and TSV (with literal cells), with a header.

The separator of a CSV file may be a comma, semicolon, tab or bar: the one that gives the text's column in the header.
Lists of annotation (``words``, ``entities``, ...) are written in their cells as JSON, so nothing is lost.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lexel.data.files import LineReader, Source, Target, open_output
from lexel.data.records.json import json_row
from lexel.data.records.record import ANNOTATION
from lexel.data.records.rows import Row, RowOptions
from lexel.errors import DataError

_DELIMITERS = ",;\t|"
_LONGEST_CELL = min(sys.maxsize, (1 << 31) - 1)
Cells = list[str]


def read_csv_rows(source: Source, options: RowOptions, /) -> Iterator[Row]:
    """Reads each record of a CSV file, with its cells under the names of the header."""
    reader = LineReader(source, encoding=options.encoding, first=options.first, keeps_returns=True)
    lines = iter(reader)
    header = options.header if options.header is not None else next(lines, None)
    if header is not None:
        header = header.removesuffix("\r")
        delimiter = delimiter_of(header, options.columns.text)
        first = next(csv.reader([header], delimiter=delimiter), [])
        yield from _rows(reader, first, _csv_cells(reader, lines, delimiter, options), options)


def read_tsv_rows(source: Source, options: RowOptions, /) -> Iterator[Row]:
    """Reads each line of a TSV file, with its cells under the names of the header; a quote is part of its cell."""
    reader = LineReader(source, encoding=options.encoding, first=options.first)
    lines = iter(reader)
    header = options.header if options.header is not None else next(lines, None)
    if header is not None:
        yield from _rows(reader, header.split("\t"), _tsv_cells(reader, lines, options), options)


def delimiter_of(header: str, text: str) -> str:
    """The separator of a CSV file: the one that gives the column of the text in the header."""
    for delimiter in _DELIMITERS:
        if text in next(csv.reader([header], delimiter=delimiter), ()):
            return delimiter
    return ","


def csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[Cells]:
    """The cells of each record of a CSV file, from its lines with line ends; you can continue after an error.

    Raises:
        csv.Error: In place of a record that is not CSV.
    """
    csv.field_size_limit(_LONGEST_CELL)  # a whole text is in one cell
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _tsv_cells(reader: LineReader, lines: Iterator[str], options: RowOptions) -> Iterator[tuple[int, Cells]]:
    for line in lines:
        if line:
            yield reader.number, line.split("\t")
        else:
            options.faults.n_blank += 1


def _csv_cells(
    reader: LineReader, lines: Iterator[str], delimiter: str, options: RowOptions
) -> Iterator[tuple[int, Cells]]:
    rows = csv_rows((line + "\n" for line in lines), delimiter)
    while True:
        begun = reader.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            advice = "expected RFC 4180's quotes: a quote inside of a quoted cell is doubled"
            options.faults.take(reader.error(f"not CSV ({error}); {advice}"))
            continue
        if cells:
            yield begun, cells
        else:
            options.faults.n_blank += 1


def _rows(lines: LineReader, header: Cells, cells: Iterable[tuple[int, Cells]], options: RowOptions) -> Iterator[Row]:
    _check_header(header, options)
    for place, values in cells:
        if len(values) != len(header):
            found = f"{len(values)} cells, the header names {len(header)} columns"
            options.faults.take(lines.error(f"{found}; expected as many", line=place).at(lines.name, place, lines.line))
            continue
        yield Row(place, _with_lists(dict(zip(header, values, strict=True))))


def _check_header(header: Cells, options: RowOptions) -> None:
    text = options.columns.text
    if text not in header:
        found = ", ".join(map(repr, header[:12]))
        advice = "expected a first line with the names of columns; name the text column with --text-column"
        raise DataError(f"{options.name}: no column {text!r} among {found}; {advice}")
    if twice := {name for name in header if header.count(name) > 1}:
        raise DataError(f"{options.name}: column {sorted(twice)[0]!r} twice; expected each name once")


def _with_lists(values: dict[str, Any]) -> dict[str, Any]:
    """The cells, with the JSON of annotation parsed."""
    for name in ANNOTATION:
        cell = values.get(name)
        if isinstance(cell, str) and cell[:1] in ("[", "{"):
            try:
                values[name] = json.loads(cell)
            except ValueError:  # another column with that name
                continue
        elif cell == "":
            del values[name]
    return values


def _write(rows: Iterable[Mapping[str, Any]], out: Target, *, quoted: bool) -> None:
    """Write a table; the first row determines the columns."""
    with open_output(out) as output:
        header: Sequence[str] | None = None
        for row in rows:
            if header is None:
                header = list(row)
                output.write(_line(header, quoted=quoted))
            if others := [name for name in row if name not in header]:
                advice = "expected those of the first record; name them with --keep, or write JSON lines"
                raise output.error(f"column {others[0]!r} is new; {advice}")
            try:
                output.write(_line([_cell(row.get(name)) for name in header], quoted=quoted))
            except ValueError as error:
                raise output.error(str(error)) from error


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_row({"cell": value})[8:-2]


def _line(cells: Sequence[str], *, quoted: bool) -> str:
    if quoted:
        line = io.StringIO()
        csv.writer(line).writerow(cells)
        return line.getvalue()
    for cell in cells:
        if "\t" in cell or "\n" in cell or "\r" in cell:
            raise ValueError("a cell has a tab or a line end, which TSV cannot hold; write CSV or JSON lines")
    return "\t".join(cells) + "\n"


write_csv_rows = partial(_write, quoted=True)
"""Write each row as a record of a CSV file, with a header."""
write_tsv_rows = partial(_write, quoted=False)
"""Write each row as a line of a TSV file, with a header."""

"""Plain text: one text per line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lexel.data.files import LineReader, Source, Target, open_output
from lexel.data.records.rows import Row, RowOptions


def read_text_rows(source: Source, options: RowOptions, /) -> Iterator[Row]:
    """Reads each line, including blank ones, as a row with only the text."""
    lines = LineReader(source, encoding=options.encoding, first=options.first)
    column = options.columns.text
    return (Row(lines.number, {column: line}) for line in lines)


def write_text_rows(rows: Iterable[Mapping[str, Any]], out: Target, /) -> None:
    """Write the text of each row as a line.

    Raises:
        DataError: If a text contains a line end.
    """
    with open_output(out) as output:
        for row in rows:
            text: str = row["text"]
            if "\n" in text or text.endswith("\r"):
                raise output.error("the text has a line end; expected one line per text; write JSON lines instead")
            output.write(text + "\n")

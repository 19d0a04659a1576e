"""Reads texts, or pairs of texts, with their classes from JSON lines and tables with a header.

    {"text": "很好看", "label": "positive"}
    {"text": "他在北京。", "text_pair": "他在中国。", "label": "entailment"}
    {"text": "便宜，就是慢", "labels": ["price", "speed"]}

In a table (``.tsv``, ``.csv``), the first line names the columns: ``text``, ``text_pair``, and ``label`` with one class
or ``labels`` with several, separated by commas. Cells of a ``.tsv`` are read literally, quotes included; a ``.csv``
uses the quotes of RFC 4180. A label may be a number: a value for regression, otherwise a class of that name.
fastText's lines (``__label__x text``) are detected from the first line.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from lexel.data.fasttext import classes_of_line, is_fasttext
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, ending_of, name_of
from lexel.errors import DataError

FORMATS = ("text", "jsonl", "tsv", "csv", "fasttext")
_BY_ENDING = {".tsv": "tsv", ".tab": "tsv", ".csv": "csv", ".txt": "text"}
_TABLES = ("tsv", "csv")


@dataclass(frozen=True, slots=True)
class Classified:
    """A text or a pair, with its classes.

    Attributes:
        text: The text, or the first text of a pair.
        pair: The second text of a pair.
        labels: Its classes (a number as a string); empty if unknown.
        where: Its place, for messages: ``path:line``.
        id: Its id in the data, if it has one.
    """

    text: str
    pair: str | None
    labels: tuple[str, ...]
    where: str
    id: str | None = None

    @property
    def number(self) -> float:
        """The label as a number, for regression.

        Raises:
            DataError: If there is no label, more than one, or one that is not a number.
        """
        try:
            (label,) = self.labels
            return float(label)
        except ValueError as error:
            found = ", ".join(map(repr, self.labels)) or "no label"
            raise DataError(f"{self.where}: {found}; expected one number") from error


@dataclass(frozen=True, slots=True)
class Columns:
    """The keys or columns of the text, the pair, the labels and the id."""

    text: str = "text"
    pair: str = "text_pair"
    label: str = "label"
    labels: str = "labels"


COLUMNS = Columns()


def read_classified(
    source: Source,
    *,
    encoding: str = "utf-8",
    format: str | None = None,
    columns: Columns = COLUMNS,
    labelled: bool = True,
    faults: Faults | None = None,
) -> Iterator[Classified]:
    """Reads each text or pair, in order. Blank lines are skipped, except in plain text, where every line is a text.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        format: One of ``FORMATS``; by default detected from the ending or a first line in fastText's format; otherwise
            JSON lines.
        columns: The names of the keys or columns.
        labelled: Whether to reject a record without a label, as for data for training or scoring.
        faults: How to handle a record that cannot be read; an error by default.

    Raises:
        DataError: With ``path:line`` of an invalid record.
    """
    name = name_of(source)
    format = format_of(name) if format is None else format
    if format not in FORMATS or (labelled and format == "text"):
        expected = FORMATS[1:] if labelled else FORMATS
        raise DataError(f"{name}: format {format!r}; expected one of {', '.join(expected)}")
    lines = LineReader(source, encoding=encoding)
    if format == "text":
        return (Classified(line, None, (), f"{name}:{lines.number}") for line in lines)
    faults = Faults() if faults is None else faults
    if format == "fasttext":
        records = _of_fasttext(lines, columns)
    elif format in _TABLES:
        records = _table(lines, columns, faults, is_csv=format == "csv")
    else:
        records = _objects(lines, faults)
    read = (faults.attempt(partial(_classified, record, lines, columns, labelled=labelled)) for record in records)
    return (record for record in read if record is not None)


def format_of(name: str) -> str:
    """The format for a file's ending, without that of compression; JSON lines for unknown endings.

    A file that is not a table is in fastText's format if its first line begins with such a class.
    """
    format = _BY_ENDING.get(ending_of(name), "jsonl")
    if format in _TABLES or not os.path.isfile(name):
        return format
    with suppress(DataError):  # the reader of the file reports what is wrong with it
        first = next((line for line in LineReader(name) if line.strip()), "")
        return "fasttext" if is_fasttext(first) else format
    return format


def _of_fasttext(lines: LineReader, columns: Columns) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        if line.strip():
            text, labels = classes_of_line(line)
            yield {columns.text: text} | ({columns.labels: list(labels)} if labels else {})


def _objects(lines: LineReader, faults: Faults) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        if line.strip() and (record := faults.attempt(partial(_object, line, lines))) is not None:
            yield record


def _object(line: str, lines: LineReader) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise lines.error(f"not JSON ({error}); expected one object per line, or a table in .tsv or .csv") from error
    if not isinstance(record, dict):
        raise lines.error(f"a JSON {type(record).__name__}; expected an object with 'text' and 'label'")
    return record


def _table(lines: LineReader, columns: Columns, faults: Faults, *, is_csv: bool) -> Iterator[Mapping[str, Any]]:
    rows = _csv_rows(lines) if is_csv else (line.split("\t") for line in lines if line.strip())
    header = next(rows, None)
    if header is None:
        return
    if columns.text not in header or len(set(header)) < len(header):
        raise lines.error(
            f"columns {', '.join(map(repr, header))}; expected a header with {columns.text!r} and no name twice"
        )
    for row in rows:
        if len(row) != len(header):
            faults.take(lines.error(f"{len(row)} cells, the header names {len(header)} columns; expected as many"))
            continue
        record: dict[str, Any] = dict(zip(header, row, strict=True))
        if columns.labels in record:
            record[columns.labels] = [label for part in record[columns.labels].split(",") if (label := part.strip())]
        yield record


def _csv_rows(lines: LineReader) -> Iterator[list[str]]:
    try:
        yield from (row for row in csv.reader((line + "\n" for line in lines), strict=True) if row)
    except csv.Error as error:
        raise lines.error(f"not CSV ({error}); expected RFC 4180's quotes. Write long texts as JSON lines") from error


def _classified(record: Mapping[str, Any], lines: LineReader, columns: Columns, *, labelled: bool) -> Classified:
    where = f"{lines.name}:{lines.number}"
    text, pair, id = record.get(columns.text), record.get(columns.pair), record.get("id")
    if not isinstance(text, str):
        found = f"no {columns.text!r}" if columns.text not in record else f"{columns.text!r} is {text!r:.40}"
        raise lines.error(f"{found}; expected the text, a string")
    if not isinstance(pair, str | None):
        raise lines.error(f"{columns.pair!r} is {pair!r:.40}; expected the second text, a string or null")
    labels = _labels(record, lines, columns)
    if labelled and labels is None:
        raise lines.error(
            f"no {columns.label!r}; expected a class, a list of classes in {columns.labels!r}, or a number"
        )
    return Classified(text, pair, labels or (), where, None if id is None else str(id))


def _labels(record: Mapping[str, Any], lines: LineReader, columns: Columns) -> tuple[str, ...] | None:
    """The classes; ``None`` if they are unknown, and an empty list if there are none."""
    key = columns.labels if record.get(columns.labels) is not None else columns.label
    value = record.get(key)
    if value is None:
        return None
    given: Sequence[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(label, str) or type(label) in (int, float) for label in given):
        raise lines.error(f"{key!r} is {value!r:.60}; expected a class, a list of classes, or a number")
    return tuple(map(str, given))

"""Parquet: the JSON lines record as columns, for databases and data frames; needs ``lexel[parquet]``.

    id           text
    word_starts  word_ends  pos  entity_starts  entity_ends  entity_labels
    word_scores  pos_scores      entity_scores
    nested_starts  nested_ends  nested_labels  nested_scores    (if the first rows have the layer ``nested``)

All but the first two are lists, or ``null`` if the layer is absent. The unit of the offsets is in the schema's metadata
under ``lexel.offset_unit``; the default is code points.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Any

from lexel.data.faults import Faults
from lexel.data.files import Source, Target, name_of, open_binary, write_errors
from lexel.data.jsonl import document_of_record, record_of_document
from lexel.data.offsets import unit_positions
from lexel.data.omissions import NESTED, Loss, Losses
from lexel.document import Document
from lexel.errors import DataError, MissingExtra

FORMAT = "Parquet"
GROUP_CHARS = 4_000_000
GROUP_ROWS = 20_000
READ_ROWS = 1024
_UNIT_KEY = b"lexel.offset_unit"
_LISTS = {
    "word_starts": "int32", "word_ends": "int32", "pos": "string",
    "entity_starts": "int32", "entity_ends": "int32", "entity_labels": "string",
    "word_scores": "float32", "pos_scores": "float32", "entity_scores": "float32",
}  # fmt: skip
_NESTED = {"nested_starts": "int32", "nested_ends": "int32", "nested_labels": "string", "nested_scores": "float32"}
"""Columns of a table whose first rows have the layer ``nested``."""
_RECORD_KEYS = ("id", "text", "words", "pos", "entities", "nested", "scores", "offset_unit")
_PREFIXES = {"words": "word", "pos": "pos", "entities": "entity", "nested": "nested"}


def read_parquet(
    source: Source, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    """Reads each row as a Document.

    Args:
        source: A path or an open binary file that can seek.
        encoding: Accepted so that all formats have the same signature; Parquet is always UTF-8.
        losses: Counts unknown columns, once per row.
        faults: How to handle a row that cannot be read; an error by default.

    Raises:
        DataError: With ``path:row`` of a row whose parts do not match its text, or the path of a non-Parquet file.
        MissingExtra: If pyarrow is not installed.
    """
    name = name_of(source)
    if source == "-":
        raise DataError(f"{name}: Parquet cannot be read from a pipe; expected a file; pass its path")
    losses, faults = (Losses() if losses is None else losses), (Faults() if faults is None else faults)
    return _documents(source, name, losses, faults)


def _documents(source: Source, name: str, losses: Losses, faults: Faults) -> Iterator[Document]:
    arrow, parquet = load_pyarrow()
    row = 0
    try:
        with parquet.ParquetFile(os.fspath(source) if isinstance(source, os.PathLike) else source) as file:
            columns, unit = _layout(file.schema_arrow, name, losses, rows=file.metadata.num_rows)
            for batch in file.iter_batches(batch_size=READ_ROWS, columns=columns):
                for record in batch.to_pylist():
                    row += 1
                    read = partial(_document, record, unit, name=name, row=row)
                    if (document := faults.attempt(read)) is not None:
                        yield document
    except (arrow.ArrowException, OSError) as error:
        raise DataError(
            f"{name}: cannot be read as Parquet ({first_line(error)}); expected a whole Parquet file"
        ) from error


def _layout(schema: Any, name: str, losses: Losses, *, rows: int) -> tuple[list[str], str]:
    """The columns to read, and the unit of their offsets."""
    if "text" not in schema.names:
        raise DataError(f"{name}: columns {', '.join(schema.names)}; expected one called 'text'")
    known = ("id", "text", *_LISTS, *_NESTED)
    for column in schema.names:
        if column not in known:
            losses.add(f"column {column!r}", rows, format="documents")
    metadata = schema.metadata or {}
    return [column for column in schema.names if column in known], metadata.get(_UNIT_KEY, b"char").decode()


def _document(record: dict[str, Any], unit: str, *, name: str, row: int) -> Document:
    try:
        return document_of_record(_record(record, unit))
    except ValueError as error:
        raise DataError(f"{name}:{row}: {error}") from error


def unit_of(schema: Any) -> str:
    """The unit of a table's offsets."""
    return str((schema.metadata or {}).get(_UNIT_KEY, b"char").decode())


def with_annotation(row: dict[str, Any], unit: str) -> dict[str, Any]:
    """A row with its annotation columns, if any, in the form of a JSON lines record; other columns stay unchanged.

    Raises:
        ValueError: If lists that belong together have different lengths.
    """
    if not row.keys() & {"word_starts", "entity_starts", "nested_starts"}:
        return row
    others = {name: value for name, value in row.items() if name not in _LISTS and name not in _NESTED}
    return others | {name: value for name, value in _record(row, unit).items() if name not in ("id", "text")}


def _record(row: dict[str, Any], unit: str) -> dict[str, Any]:
    """A row as a JSON lines record."""
    scores = {key: row.get(f"{column}_scores") for key, column in _PREFIXES.items()}
    nested = _together(row, "nested_starts", "nested_ends", "nested_labels")
    return ({} if nested is None else {"nested": nested}) | {
        "id": row.get("id"),
        "text": row.get("text"),
        "words": _together(row, "word_starts", "word_ends"),
        "pos": row.get("pos"),
        "entities": _together(row, "entity_starts", "entity_ends", "entity_labels"),
        "scores": scores,
        "offset_unit": unit,
    }


def _together(row: dict[str, Any], *columns: str) -> list[list[Any]] | None:
    values = [row.get(column) for column in columns]
    there = [value for value in values if value is not None]
    if not there:
        return None
    if len(there) < len(columns) or len(set(map(len, there))) > 1:
        sizes = ", ".join("null" if value is None else str(len(value)) for value in values)
        raise ValueError(f"{', '.join(columns)} have {sizes} items; expected as many in each")
    return [list(items) for items in zip(*there, strict=True)]


def write_parquet(
    documents: Iterable[Document], out: Target, *, encoding: str = "utf-8", offsets: str = "char"
) -> tuple[Loss, ...]:
    """Write each document as one row, in groups of at most 20,000 rows or about 4 million characters.

    Args:
        documents: Any documents.
        out: A path, ``"-"`` or an open binary stream.
        encoding: Accepted so that all formats have the same signature; Parquet is always UTF-8.
        offsets: The unit of offsets: ``char``, ``utf16`` or ``byte``.

    Returns:
        The losses: nested entities, if the first group of rows has none. Scores are rounded to four decimals.

    Raises:
        DataError: If a text has a lone surrogate, or the target cannot be written.
        MissingExtra: If pyarrow is not installed.
        ValueError: If ``offsets`` is not one of the units.
    """
    unit_positions("", offsets)
    arrow, parquet = load_pyarrow()
    name = name_of(out, standard="<stdout>")
    losses = Losses()
    groups = in_groups(flat_row(record_of_document(document, unit=offsets)) for document in documents)
    first = next(groups, [])
    has_nested = any("nested_starts" in row for row in first)
    schema = annotation_schema(arrow, offsets, has_nested=has_nested)
    with open_binary(out) as stream, table_writer(arrow, parquet, stream, schema) as writer:
        row = 0
        for rows in chain([first] if first else [], groups):
            with write_errors(name):
                writer.write_table(build_table(arrow, rows, schema, name=name, first_row=row + 1))
            row += len(rows)
            n_lost = 0 if has_nested else sum(len(row.get("nested_starts", ())) for row in rows)
            losses.add(NESTED, n_lost, format="a Parquet table whose first rows have none")
    return losses.summary()


@contextmanager
def table_writer(arrow: Any, parquet: Any, stream: Any, schema: Any) -> Iterator[Any]:
    """A writer of tables with a schema into a stream; nothing is written after an error."""
    writer = parquet.ParquetWriter(stream, schema, compression="zstd")
    try:
        yield writer
    except BaseException:
        with suppress(
            OSError, ValueError, arrow.ArrowException
        ):  # otherwise it would write the file's end later, into a closed file
            writer.close()
        raise
    with write_errors(name_of(stream)):
        writer.close()


def in_groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows, or columns of records, in groups for writing."""
    group: list[dict[str, Any]] = []
    n_chars = 0
    for row in rows:
        group.append(row)
        n_chars += len(row["text"])
        if n_chars >= GROUP_CHARS or len(group) >= GROUP_ROWS:
            yield group
            group, n_chars = [], 0
    if group:
        yield group


def flat_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a JSON lines record, followed by other columns."""
    words, entities, scores = record.get("words"), record.get("entities"), record.get("scores") or {}
    row = {"id": record.get("id"), "text": record["text"], "pos": record.get("pos")}
    layers = [layer for layer in _PREFIXES if layer != "nested" or "nested" in record]
    row |= {f"{_PREFIXES[layer]}_scores": scores.get(layer) for layer in layers}
    for i, column in enumerate(("word_starts", "word_ends")):
        row[column] = None if words is None else [word[i] for word in words]
    for i, column in enumerate(("starts", "ends", "labels")):
        row[f"entity_{column}"] = None if entities is None else [entity[i] for entity in entities]
        if record.get("nested") is not None:
            row[f"nested_{column}"] = [span[i] for span in record["nested"]]
    return row | {name: value for name, value in record.items() if name not in _RECORD_KEYS}


def build_table(arrow: Any, rows: list[dict[str, Any]], schema: Any, *, name: str, first_row: int) -> Any:
    """Rows as a table of a schema.

    Raises:
        DataError: If a row has a lone surrogate; the message names the row.
    """
    try:
        return arrow.Table.from_pydict(
            {column: [row.get(column) for row in rows] for column in schema.names}, schema=schema
        )
    except UnicodeEncodeError as error:
        wrong = (i for i, row in enumerate(rows) if _has_surrogate(row))
        raise DataError(
            f"{name}:{first_row + next(wrong, 0)}: lone surrogate U+{ord(error.object[error.start]):04X} at column "
            f"{error.start + 1}; Parquet cannot hold it; write JSON lines, which keep it as an escape"
        ) from error


def _has_surrogate(row: dict[str, Any]) -> bool:
    labels = (*(row["entity_labels"] or ()), *row.get("nested_labels", ()))
    return any(re.search("[\ud800-\udfff]", name) for name in (row["text"], row["id"] or "", *labels))


def annotation_schema(arrow: Any, unit: str, *, has_nested: bool = False) -> Any:
    """The columns of a record whose offsets have the given unit."""
    kinds = _LISTS | _NESTED if has_nested else _LISTS
    lists = [(name, arrow.list_(getattr(arrow, kind)())) for name, kind in kinds.items()]
    schema = arrow.schema([("id", arrow.string()), ("text", arrow.string()), *lists])
    return schema.with_metadata({_UNIT_KEY: unit.encode()})


def load_pyarrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet part.

    Raises:
        MissingExtra: If they are missing; the message has the command that installs them.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra('reading or writing Parquet needs pyarrow: pip install "lexel[parquet]"') from error
    return pyarrow, pyarrow.parquet


def first_line(error: Exception) -> str:
    """The first line of a library's error message; for a system error, the system's own message."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).splitlines()[0] if str(error) else type(error).__name__

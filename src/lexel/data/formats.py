"""The formats by name and by file ending: what reads them, what writes them, and which layers they hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from lexel.data.conll import read_conll, write_conll
from lexel.data.conllu import read_conllu, write_conllu
from lexel.data.faults import Faults
from lexel.data.files import Source, Target, ending_of
from lexel.data.folding import Fold, fold_of
from lexel.data.html_page import write_html
from lexel.data.jsonl import read_jsonl, write_jsonl
from lexel.data.lines import read_lines, write_lines
from lexel.data.omissions import Loss, Losses
from lexel.data.parquet import read_parquet, write_parquet
from lexel.data.records import RECORD_FORMATS, Record, RecordColumns, RecordFormat, open_records, write_records
from lexel.data.render import write_terminal
from lexel.data.segmented import read_segmented, write_segmented
from lexel.data.shapes import SHAPES, read_shaped, write_shaped
from lexel.document import Document
from lexel.errors import DataError


class Reader(Protocol):
    """Every ``read_x``: documents from a source, in order, one at a time; options of its own come after these."""

    def __call__(
        self,
        source: Source,
        /,
        *,
        encoding: str = "utf-8",
        losses: Losses | None = None,
        faults: Faults | None = None,
    ) -> Iterator[Document]: ...


class Writer(Protocol):
    """Every ``write_x``: all documents to a target; gives back what the format could not hold."""

    def __call__(
        self, documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8"
    ) -> tuple[Loss, ...]: ...


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table.

    Attributes:
        name: What ``--from`` and ``--to`` call it.
        reader: Its ``read_x``; ``None`` for formats that are only shown.
        writer: Its ``write_x``.
        endings: File endings, without those of compression.
        layers: What it holds beside the text.
        records: The same format with any other columns; ``None`` where it has none.
    """

    name: str
    reader: Reader | None
    writer: Writer
    endings: tuple[str, ...]
    layers: frozenset[str]
    records: RecordFormat | None = None


def _read_documents(
    source: Source,
    /,
    *,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
    columns: RecordColumns | None = None,
    format: str,
) -> Iterator[Document]:
    """The documents of a format of records; what else a record has is counted."""
    losses = Losses() if losses is None else losses
    columns = RecordColumns() if columns is None else columns
    for record in open_records(source, format=format, columns=columns, encoding=encoding, faults=faults):
        for name in record.fields:
            losses.add(f"column {name!r}", 1, format="documents")
        yield record.as_document


def _write_documents(
    documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8", offsets: str = "char", format: str
) -> tuple[Loss, ...]:
    records = (Record(document.text, document.id, document) for document in documents)
    write_records(records, out, format=format, unit=offsets)
    return ()


def _rows() -> Iterator[Format]:
    every = frozenset(("id", "words", "pos", "entities", "nested", "scores"))
    tagged = frozenset(("words", "pos", "entities"))
    yield Format("text", read_lines, write_lines, (".txt",), frozenset(), RECORD_FORMATS["text"])
    yield Format("segmented", read_segmented, write_segmented, (".seg",), frozenset(("words",)))
    yield Format("conll", read_conll, write_conll, (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bmes"), tagged)
    yield Format("conllu", read_conllu, write_conllu, (".conllu",), tagged | {"id"})
    yield Format("jsonl", read_jsonl, write_jsonl, (".jsonl", ".json", ".ndjson"), every, RECORD_FORMATS["jsonl"])
    for name in ("csv", "tsv"):
        table = RECORD_FORMATS[name]
        reader, writer = partial(_read_documents, format=name), partial(_write_documents, format=name)
        yield Format(name, reader, writer, table.endings, every, table)
    yield Format("parquet", read_parquet, write_parquet, (".parquet",), every, RECORD_FORMATS["parquet"])
    for shape in SHAPES.values():
        shaped = partial(read_shaped, shape=shape), partial(write_shaped, shape=shape)
        yield Format(shape.name, *shaped, (), shape.layers)
    yield Format("html", None, write_html, (".html", ".htm"), tagged | {"id", "nested"})
    yield Format("terminal", None, write_terminal, (), tagged | {"id", "nested"})


FORMATS: dict[str, Format] = {format.name: format for format in _rows()}


_FOLDING = {"jsonl": read_jsonl, "conllu": read_conllu}
"""The formats with a second tag a word, by which tags can be folded."""


def reader_of(format: Format, *, fold: Fold | str | None = None, columns: RecordColumns | None = None) -> Reader:
    """A format's reader.

    Args:
        format: The format.
        fold: The rule by which it folds tags (see ``folding``).
        columns: Which columns it reads, if they are not called ``text`` and ``id``.

    Raises:
        DataError: If the format cannot be read, there is no such rule, or the format has no XPOS.
    """
    if format.reader is None:
        raise DataError(f"{format.name}: can only be written; expected a format that holds labels, such as jsonl")
    if fold is None:
        if columns is None or columns == RecordColumns() or format.records is None:
            return format.reader
        return partial(_read_documents, format=format.name, columns=columns)
    rule = fold_of(fold)
    if format.name not in _FOLDING:
        raise DataError(f"fold {rule.name!r}: {format.name} holds no XPOS; expected {' or '.join(_FOLDING)}")
    return partial(_FOLDING[format.name], fold=rule)


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        DataError: Listing the names there are.
    """
    if name not in FORMATS:
        raise DataError(f"{name!r} is no format; expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def by_ending(path: str | os.PathLike[str], *, option: str = "--from") -> Format:
    """The format that a file's ending says; that of packing after it does not matter.

    Args:
        path: The file.
        option: The option that names the format, for the message.

    Raises:
        DataError: Listing the endings there are.
    """
    ending = ending_of(path)
    for format in FORMATS.values():
        if ending in format.endings:
            return format
    known = ", ".join(ending for format in FORMATS.values() for ending in format.endings)
    found = f"ending {ending!r}" if ending else "no ending"
    raise DataError(f"{os.fspath(path)}: {found}; expected one of {known}; name the format ({option})")

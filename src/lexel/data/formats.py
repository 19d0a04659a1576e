"""The formats by name and by file ending: their readers, their writers, and the layers they hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from lexel.data.annotated import (
    format_by_content,
    is_brat_folder,
    read_brat,
    read_conll2012,
    read_docbin,
    read_germeval,
    read_ontonotes,
    read_uner,
    read_webanno,
    write_brat,
    write_conll2012,
    write_docbin,
    write_germeval,
    write_ontonotes,
    write_uner,
    write_webanno,
)
from lexel.data.conll import read_conll, write_conll
from lexel.data.conllu import read_conllu, write_conllu
from lexel.data.fasttext import read_fasttext, write_fasttext
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
    """The signature of every ``read_x``: documents from a source, in order, one at a time. More options may follow."""

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
    """The signature of every ``write_x``: writes all documents to a target; returns what the format could not hold."""

    def __call__(
        self, documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8"
    ) -> tuple[Loss, ...]: ...


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table.

    Attributes:
        name: Its name for ``--from`` and ``--to``.
        reader: Its ``read_x``; ``None`` for formats that are only for display.
        writer: Its ``write_x``.
        endings: File endings, without that of compression.
        layers: The layers that it holds in addition to the text.
        records: The same format as records with arbitrary columns; ``None`` if there is none.
        has_tags: Whether entities are tags of words; the reader then takes ``repair``.
        of_whole_words: Whether entities must consist of whole words; the writer then takes ``off_words``.
        is_binary: Whether it is binary and so not for a terminal.
        by_path: Whether the reader needs the path, because a document consists of several files.
    """

    name: str
    reader: Reader | None
    writer: Writer
    endings: tuple[str, ...]
    layers: frozenset[str]
    records: RecordFormat | None = None
    has_tags: bool = False
    of_whole_words: bool = False
    is_binary: bool = False
    by_path: bool = False


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
    """The documents of a record format; the other fields of a record are counted."""
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
    of_words = partial(Format, has_tags=True, of_whole_words=True)
    columns = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bmes")
    yield of_words("conll", read_conll, write_conll, columns, tagged)
    yield of_words("conllu", read_conllu, write_conllu, (".conllu",), tagged | {"id"})
    yield Format("jsonl", read_jsonl, write_jsonl, (".jsonl", ".json", ".ndjson"), every, RECORD_FORMATS["jsonl"])
    for name in ("csv", "tsv"):
        table = RECORD_FORMATS[name]
        reader, writer = partial(_read_documents, format=name), partial(_write_documents, format=name)
        yield Format(name, reader, writer, table.endings, every, table)
    parquet = RECORD_FORMATS["parquet"]
    yield Format("parquet", read_parquet, write_parquet, (".parquet",), every, parquet, is_binary=True)
    for shape in SHAPES.values():
        shaped = partial(read_shaped, shape=shape), partial(write_shaped, shape=shape)
        yield Format(shape.name, *shaped, (), shape.layers)
    nested = frozenset(("id", "words", "entities", "nested"))
    spans, gold = tagged | nested, (".v4_gold_conll", ".v4_auto_conll", ".gold_conll", ".auto_conll")
    yield Format("spacy", read_docbin, write_docbin, (".spacy",), spans, of_whole_words=True, is_binary=True)
    yield Format("brat", read_brat, write_brat, (".ann",), nested - {"words"}, is_binary=True, by_path=True)
    yield Format("ontonotes", read_ontonotes, write_ontonotes, (".name",), nested)
    yield Format("conll2012", read_conll2012, write_conll2012, gold, tagged | {"id"}, of_whole_words=True)
    yield of_words("uner", read_uner, write_uner, (), nested - {"nested"})
    yield of_words("germeval", read_germeval, write_germeval, (), nested)
    yield Format("webanno", read_webanno, write_webanno, (), spans)
    yield Format("fasttext", read_fasttext, write_fasttext, (), frozenset())
    yield Format("html", None, write_html, (".html", ".htm"), tagged | {"id", "nested"})
    yield Format("terminal", None, write_terminal, (), tagged | {"id", "nested"})


FORMATS: dict[str, Format] = {format.name: format for format in _rows()}


_FOLDING = {"jsonl": read_jsonl, "conllu": read_conllu}
"""The formats with a second tag per word, which allows tags to be folded."""


def reader_of(format: Format, *, fold: Fold | str | None = None, columns: RecordColumns | None = None) -> Reader:
    """A format's reader.

    Args:
        format: The format.
        fold: The rule by which it folds tags (see ``folding``).
        columns: The columns to read, if their names are not ``text`` and ``id``.

    Raises:
        DataError: If the format cannot be read, the rule is unknown, or the format has no XPOS.
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
        DataError: If there is none; the message lists the names.
    """
    if name not in FORMATS:
        raise DataError(f"{name!r} is not a format; expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


_SHAPED_ROWS = (*FORMATS["conll"].endings, *FORMATS["tsv"].endings, *FORMATS["ontonotes"].endings)


def format_of_file(path: str | os.PathLike[str], *, option: str = "--from") -> Format:
    """The format of a file to read, as ``by_ending``; for rows and folders, by their content.

    Args:
        path: The file; a folder of pairs is in brat's format.
        option: The option that names the format, for the message.

    Raises:
        DataError: If the ending is unknown; the message lists the endings.
    """
    if is_brat_folder(path):
        return FORMATS["brat"]
    format = by_ending(path, option=option)
    is_shaped = os.path.isfile(path) and ending_of(path) in _SHAPED_ROWS
    name = format_by_content(path) if is_shaped else None
    return format if name is None else FORMATS[name]


def by_ending(path: str | os.PathLike[str], *, option: str = "--from") -> Format:
    """The format for a file's ending, without that of compression.

    Args:
        path: The file.
        option: The option that names the format, for the message.

    Raises:
        DataError: If the ending is unknown; the message lists the endings.
    """
    ending = ending_of(path)
    for format in FORMATS.values():
        if ending in format.endings:
            return format
    known = ", ".join(ending for format in FORMATS.values() for ending in format.endings)
    found = f"ending {ending!r}" if ending else "no ending"
    raise DataError(f"{os.fspath(path)}: {found}; expected one of {known}; name the format ({option})")

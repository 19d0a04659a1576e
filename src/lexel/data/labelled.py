"""Opens files of labelled data; evaluation, training and cards share this module.

file = open_labelled("dev.conll", DataOptions(columns=("word", "-", "tag"), scheme="BIOES"))
for document in file.documents(): ...
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lexel.data.annotated import is_brat_folder
from lexel.data.char_rows import UNITS
from lexel.data.classified import COLUMNS, Classified, Columns, read_classified
from lexel.data.conll import check_columns
from lexel.data.faults import Faults
from lexel.data.files import Source, check_encoding
from lexel.data.folding import Fold, fold_of
from lexel.data.formats import FORMATS, Format, Reader, format_named, format_of_file, reader_of
from lexel.data.lines import read_lines
from lexel.data.omissions import Losses
from lexel.data.questions import Question, read_questions
from lexel.data.records import RecordColumns
from lexel.data.shapes import shape_of_file
from lexel.data.tags import scheme_named
from lexel.disk import refused
from lexel.document import Document
from lexel.errors import DataError, OptionError
from lexel.names import OnErrorOrFile, RowUnit

_WITH_SHAPES = ("jsonl", "parquet")
_SEPARATORS = {"tab": "\t", "blank": " ", "\\t": "\t"}
"""Names of separators that are hard to type."""

_logger = logging.getLogger("lexel")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Options for reading a file of labelled data; the defaults depend on the file's ending and its first row.

    Attributes:
        format: Name of the format.
        encoding: The encoding of the input.
        max_chars: Reject longer documents.
        columns: CoNLL columns: ``word``, ``pos``, ``tag`` (of entities) or ``-`` (ignored).
        separator: The separator of CoNLL columns: ``tab``, ``blank``, or the separator itself.
        scheme: Scheme of the tags in CoNLL columns.
        unit: The unit of a row of CoNLL columns: ``words`` or ``chars``.
        entity_key: Key of entity tags in CoNLL-U's MISC.
        repair: Read ill-formed tags by conlleval's rule instead of rejecting them.
        fold: Rule that folds part-of-speech tags by XPOS.
        on_error: How to handle a record that cannot be read: ``stop``, ``skip`` or ``repair`` (see `Faults`).
        text_field: Key or column of the text, in tables, JSON and texts with classes.
        id_field: Key or column of a record's id.
        pair_field: Key or column of a pair's second text.
        label_field: Key or column of the class.

    Raises:
        OptionError: If a value is unknown.
    """

    format: str | None = None
    encoding: str = "utf-8"
    max_chars: int | None = None
    columns: tuple[str, ...] | None = None
    separator: str | None = None
    scheme: str | None = None
    unit: RowUnit | None = None
    entity_key: str | None = None
    repair: bool = False
    fold: Fold | str | None = None
    on_error: OnErrorOrFile = "stop"
    text_field: str = COLUMNS.text
    id_field: str = "id"
    pair_field: str = COLUMNS.pair
    label_field: str = COLUMNS.label

    def __post_init__(self) -> None:
        try:
            if self.columns is not None:
                check_columns(self.columns)
            if self.scheme is not None:
                scheme_named(self.scheme)
            if self.separator == "":
                raise ValueError("separator is ''; expected tab, blank, or any text")
            if self.unit not in (None, *UNITS):
                raise ValueError(f"unit is {self.unit!r}; expected one of {', '.join(UNITS)}")
        except ValueError as error:
            raise OptionError(str(error)) from error
        check_encoding(self.encoding, name="encoding")
        if self.on_error != "file":  # the reader of the file sets where bad records go
            Faults(self.on_error)

    @property
    def of_columns(self) -> dict[str, Any]:
        """The given options that apply only to CoNLL columns."""
        separator = None if self.separator is None else _SEPARATORS.get(self.separator, self.separator)
        given = {"columns": self.columns, "separator": separator, "scheme": self.scheme, "unit": self.unit}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file of labelled documents; you can read it any number of times.

    Attributes:
        path: Where it is.
        format: Its format.
        options: How it is read.
    """

    path: str
    format: Format
    options: DataOptions

    def documents(
        self, source: Source | None = None, *, losses: Losses | None = None, faults: Faults | None = None
    ) -> Iterator[Document]:
        """The documents in order.

        Args:
            source: An open stream to read instead of the path.
            losses: Counts what the format holds but a Document does not.
            faults: Counts skipped records, with the rule of the options; without it, they are logged at the end.

        Raises:
            DataError: With ``path:line`` of a record that cannot be read, or is too long.
        """
        counted = Faults(self.options.on_error) if faults is None else faults
        records = self._reader(source or self.path, encoding=self.options.encoding, losses=losses, faults=counted)
        yield from self._short_enough(records, counted)
        if faults is None:
            log_faults(self.path, counted)

    def _short_enough(self, documents: Iterator[Document], faults: Faults) -> Iterator[Document]:
        limit = self.options.max_chars
        for number, document in enumerate(documents, 1):
            if limit is not None and len(document.text) > limit:
                found = f"{len(document.text):,} characters; expected at most {limit:,} (--max-chars)"
                faults.take(DataError(f"{self.path}: document {number}: {found}"))
                continue
            yield document

    @property
    def fold(self) -> str | None:
        """Name of the rule that folds tags, if there is one."""
        return None if self.options.fold is None else fold_of(self.options.fold).name

    @property
    def _reader(self) -> Reader:
        chosen = self.options.of_columns
        if self.options.entity_key is not None:
            chosen["entity_key"] = self.options.entity_key
        if self.options.repair and self.format.has_tags:
            chosen["repair"] = True
        columns = RecordColumns(text=self.options.text_field, id=self.options.id_field)
        return partial(reader_of(self.format, fold=self.options.fold, columns=columns), **chosen)


def open_labelled(path: str | os.PathLike[str], options: DataOptions | None = None) -> LabelledFile:
    """Check a file and its options, without reading the file.

    Raises:
        DataError: If the file does not exist, or its format holds no labels.
        OptionError: If an option does not apply to its format.
    """
    options = DataOptions() if options is None else options
    place = os.fspath(path)
    check_file(place)
    format = format_named(options.format) if options.format is not None else labelled_format(place)
    if format.reader is None or not format.layers:
        raise DataError(f"{place}: {format.name} holds no labels that can be read; expected conllu, jsonl, conll, ...")
    if options.of_columns and format.name != "conll":
        names = ", ".join(options.of_columns)
        raise OptionError(
            f"{place}: is {format.name}; {names}: only for CoNLL columns. Leave it out, or name the format"
        )
    if options.entity_key is not None and format.name != "conllu":
        raise OptionError(f"{place}: is {format.name}; entity_key: only for CoNLL-U. Leave it out, or name the format")
    reader_of(format, fold=options.fold)
    return LabelledFile(place, format, options)


def labelled_format(path: str | os.PathLike[str]) -> Format:
    """The format of labelled documents: that of the ending, or that of another tool if the records have its shape.

    A ``.tsv`` holds CoNLL columns if it is not in another tool's format.

    Raises:
        DataError: If the ending is unknown; the message lists the endings.
    """
    format = format_of_file(path)
    if format.name == "tsv":
        return FORMATS["conll"]
    shape = shape_of_file(path) if format.name in _WITH_SHAPES and os.path.isfile(path) else None
    return format if shape is None else FORMATS[shape.name]


def log_faults(path: str, faults: Faults) -> None:
    """Log a warning about skipped and repaired records of a file."""
    for line in faults.lines():
        _logger.warning("%s: %s", path, line)


def read_labelled_texts(
    path: str, options: DataOptions, *, labelled: bool = True, faults: Faults | None = None
) -> Iterator[Classified]:
    """Reads texts with their classes, according to the options; see `read_classified`."""
    counted = Faults(options.on_error) if faults is None else faults
    columns = Columns(options.text_field, options.pair_field, options.label_field)
    yield from read_classified(
        path, encoding=options.encoding, format=options.format, columns=columns, labelled=labelled, faults=counted
    )
    if faults is None:
        log_faults(path, counted)


def read_labelled_questions(path: str, options: DataOptions, *, faults: Faults | None = None) -> Iterator[Question]:
    """Reads questions with their answers, according to the options; see `read_questions`."""
    counted = Faults(options.on_error) if faults is None else faults
    yield from read_questions(path, encoding=options.encoding, faults=counted)
    if faults is None:
        log_faults(path, counted)


def check_file(place: str) -> None:
    """Reject a path that is neither a file nor a brat folder.

    Raises:
        DataError: If it does not exist, or is standard input.
    """
    path = Path(place)
    if path.is_file() or is_brat_folder(path):
        return
    if place == "-":
        found = "standard input has no checksum"
    elif not path.exists():
        found = "no such file"
    else:
        found = (
            "is a folder without .ann files" if path.is_dir() else "is a pipe or a device, which cannot be read twice"
        )
    raise DataError(f"{place}: {found}; expected a file of labelled documents")


def read_vocabulary(path: str, *, encoding: str = "utf-8") -> tuple[Collection[str], Collection[str] | None]:
    """The words and the texts of training data; for a word list (any other text file), only the words.

    Raises:
        DataError: If the file has no words.
    """
    try:
        format = labelled_format(path)
    except DataError:
        format = None
    words: set[str] = set()
    texts: set[str] | None = None
    if format is not None and format.reader is not None and "words" in format.layers:
        texts = set()
        for document in format.reader(path, encoding=encoding):
            words.update(document.words.texts)
            texts.add(document.text.strip())
    else:
        words.update(word for document in read_lines(path, encoding=encoding) for word in document.text.split())
    if not words:
        raise DataError(f"{path}: holds no words; expected training data with words, or a list of them (--vocabulary)")
    return words, texts


def read_json_object(path: str, *, option: str, example: str) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: Where it is.
        option: The option that named it, for the message.
        example: An example of the expected object, for the message.

    Raises:
        DataError: If the file does not hold an object.
    """
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {refused(error)}; expected a JSON file ({option})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON ({error}); expected an object such as {example}") from error
    if not isinstance(read, dict):
        raise DataError(f"{path}: expected an object such as {example}")
    return read


def read_label_map(path: str) -> dict[str, str]:
    """A JSON file that maps gold labels to the model's (``--map-labels``).

    Raises:
        DataError: If it does not hold an object of strings.
    """
    example = '{"LOCATION": "LOC"}'
    read = read_json_object(path, option="--map-labels", example=example)
    if not all(isinstance(value, str) for value in read.values()):
        raise DataError(f"{path}: expected an object such as {example}, gold labels to the model's")
    return read

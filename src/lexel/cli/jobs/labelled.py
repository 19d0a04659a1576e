"""Files of labelled documents: how their columns, schemes and labels are to be taken, and reading them in sight."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lexel.cli.options.groups import InputOptions, option
from lexel.errors import DataError

if TYPE_CHECKING:
    from lexel.data import Format, Losses
    from lexel.data.files import Source
    from lexel.document import Document

_LABELLED = "Labelled data"
_WITH_TAGS = ("conll", "conllu")


@dataclass(frozen=True, slots=True)
class LabelledOptions:
    """How labelled data is to be taken."""

    columns: Annotated[
        str | None,
        option(
            "--columns",
            panel=_LABELLED,
            value="A,B,...",
            help="CoNLL columns: word, pos, tag (of entities), - (passed over). If not given: by their number.",
        ),
    ] = None
    data_scheme: Annotated[
        str | None,
        option(
            "--data-scheme",
            panel=_LABELLED,
            value="NAME",
            help="Scheme of the tags in CoNLL columns: BIO if not given, IOB1, IOE1, IOE2, BIOES, BILOU.",
        ),
    ] = None
    repair: Annotated[
        bool,
        option("--repair", panel=_LABELLED, help="Read ill-formed tags by conlleval's rule instead of refusing them."),
    ] = False
    fold: Annotated[
        str | None,
        option(
            "--fold",
            panel=_LABELLED,
            value="RULE",
            help="Fold gold tags by XPOS; ud-zh-2.12: UD Chinese before 2.13.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file of labelled documents; iterate as often as you like.

    Attributes:
        place: Its path.
        format: What it is.
        input: How it is read.
        options: How its labels are to be taken.
    """

    place: str
    format: Format
    input: InputOptions
    options: LabelledOptions

    def documents(self, source: Source | None = None, losses: Losses | None = None) -> Iterator[Document]:
        """The documents in order, those too long refused.

        Args:
            source: What to read from, if not simply the file.
            losses: Where what the format holds and Lexel does not is counted.

        Raises:
            DataError: ``path:line`` of what cannot be read.
        """
        reader, limit = _reader(self.format, self.options, self.place), self.input.max_chars
        records = reader(source or self.place, encoding=self.input.encoding, losses=losses)
        for number, document in enumerate(records, 1):
            if limit is not None and len(document.text) > limit:
                found = f"{len(document.text):,} characters; expected at most {limit:,} (--max-chars)"
                raise DataError(f"{self.place}: document {number}: {found}")
            yield document


def open_labelled(place: str, input: InputOptions, options: LabelledOptions) -> LabelledFile:
    """Look at a file and its options, so that what is wrong is said before a model is loaded.

    Raises:
        DataError: If it is no file, or of no format with labels.
        typer.BadParameter: If an option is none, or not for this format.
    """
    format = format_of(place, input)
    _reader(format, options, place)
    return LabelledFile(place, format, input, options)


def format_of(place: str, input: InputOptions) -> Format:
    """The format of a file of labelled documents: as said, else by its ending.

    Raises:
        DataError: If it is no file, or of no format with labels.
    """
    from lexel.data import FORMATS, by_ending

    check_file(place)
    format = FORMATS[input.from_] if input.from_ is not None else by_ending(place)
    if format.reader is None or not format.layers:
        raise DataError(f"{place}: {format.name} holds no labels that can be read; expected conllu, jsonl, conll, ...")
    return format


def check_file(place: str) -> None:
    """Refuse what is no file.

    Raises:
        DataError: If it is not there, or standard input.
    """
    if not Path(place).is_file():
        found = "standard input has no checksum" if place == "-" else "no such file"
        raise DataError(f"{place}: {found}; expected a file of labelled documents (--data)")


def _reader(format: Format, options: LabelledOptions, place: str) -> Any:
    from functools import partial

    from lexel.data import reader_of

    chosen: dict[str, Any] = {}
    if options.columns is not None:
        chosen["columns"] = _columns(options.columns)
    if options.data_scheme is not None:
        chosen["scheme"] = _scheme(options.data_scheme)
    for name, typed in (("columns", "--columns"), ("scheme", "--data-scheme")):
        if name in chosen and format.name != "conll":
            raise typer.BadParameter(f"{place} is {format.name}; this is for CoNLL columns", param_hint=typed)
    if options.repair and format.name in _WITH_TAGS:
        chosen["repair"] = True
    return partial(reader_of(format, fold=options.fold), **chosen)


def _columns(said: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in said.split(","))
    known = {"word", "pos", "tag", "-"}
    if set(names) - known or names.count("word") != 1 or max(names.count("pos"), names.count("tag")) > 1:
        wanted = "one word, at most one pos and one tag, and - for the others, as in word,-,-,tag"
        raise typer.BadParameter(f"{said!r}; expected {wanted}", param_hint="--columns")
    return names


def _scheme(said: str) -> str:
    from lexel.data.tags import scheme_named

    try:
        return scheme_named(said)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--data-scheme") from error


def check_folders(*outs: str | None) -> None:
    """Refuse outputs into folders that are not there.

    Raises:
        DataError: For the first of them.
    """
    for out in outs:
        if out is not None and not Path(out).parent.is_dir():
            raise DataError(f"{out}: there is no folder {str(Path(out).parent)!r}; make it first")


def read_json_object(place: str, *, option: str, example: str) -> dict[str, Any]:
    """A JSON file that holds an object.

    Args:
        place: Its path.
        option: The option that named it.
        example: What is expected, for the message.

    Raises:
        DataError: If it is not that.
    """
    try:
        read = json.loads(Path(place).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{place}: cannot be opened ({error.strerror}); expected a JSON file ({option})") from error
    except ValueError as error:
        raise DataError(f"{place}: is not JSON ({error}); expected an object such as {example}") from error
    if not isinstance(read, dict):
        raise DataError(f"{place}: expected an object such as {example}")
    return read


def read_label_map(place: str) -> dict[str, str]:
    """A JSON file of gold labels and the model's names for them (``--map-labels``).

    Raises:
        DataError: If it is not that.
    """
    example = '{"LOCATION": "LOC"}'
    read = read_json_object(place, option="--map-labels", example=example)
    if not all(isinstance(value, str) for value in read.values()):
        raise DataError(f"{place}: expected an object such as {example}, gold labels to the model's")
    return read


def read_training_words(place: str, encoding: str) -> tuple[Collection[str], Collection[str] | None]:
    """The words, and the texts, of training data; of a list of words (any other text file) the words alone.

    Raises:
        DataError: If it holds no words.
    """
    from lexel.data import by_ending, read_lines

    try:
        format = by_ending(place)
    except DataError:
        format = None
    words: set[str] = set()
    texts: set[str] | None = None
    if format is not None and format.reader is not None and "words" in format.layers:
        texts = set()
        for document in format.reader(place, encoding=encoding):
            words.update(document.words.texts)
            texts.add(document.text.strip())
    else:
        words.update(word for document in read_lines(place, encoding=encoding) for word in document.text.split())
    if not words:
        raise DataError(f"{place}: holds no words; expected training data with words, or a list of them (--vocabulary)")
    return words, texts

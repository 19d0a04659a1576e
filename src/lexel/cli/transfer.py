"""Records from files through a tagger into the output: line n in is record n out, in constant memory."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from lexel.cli.messages import is_terminal, note, say_losses
from lexel.cli.options import InputOptions, OutputOptions
from lexel.cli.progress import InputFiles, show_progress
from lexel.data import FORMATS, Format, Losses, by_ending
from lexel.data.files import name_of, write_errors
from lexel.document import Document
from lexel.errors import DataError
from lexel.tasks.tag import Tagger

_WITH_OFFSETS = ("jsonl", "parquet")
_OF_WHOLE_WORDS = ("conll", "conllu")
_BINARY = ("parquet",)
_LINE_A_RECORD = ("text", "segmented")
_WITH_TAGS = ("conll", "conllu")


def plan_transfer(
    files: Sequence[str] | None, input: InputOptions, *, output: OutputOptions, piped: str, on_terminal: str
) -> Transfer:
    """Settle formats and look at the files, so that what is wrong is said before a model is loaded.

    Args:
        files: The files to read; ``-`` or none of them is standard input.
        input: How they are read.
        output: Where results go.
        piped: The format into a pipe, if nothing else is said.
        on_terminal: The format on a terminal, if nothing else is said.

    Raises:
        DataError: If a file cannot be there.
        typer.BadParameter: If the format of the output is unclear, or cannot go where it should.
    """
    places = tuple(files or ("-",))
    check_places(places, output.out)
    sources = tuple((place, _input_format(place, input)) for place in places)
    return Transfer(sources, input, output, _output_format(output, piped=piped, on_terminal=on_terminal))


def check_places(places: Sequence[str], out: str | None) -> None:
    """Look at where records come from and go to; every problem is said at once.

    Args:
        places: The files to read; ``-`` is standard input.
        out: The file to write; ``-`` or nothing is standard output.

    Raises:
        DataError: If one of them cannot be there.
    """
    problems = [problem for place in places if (problem := _unreadable(place))]
    if out in (None, "-"):
        if sys.stdout is None:
            problems.append("standard output is closed; expected somewhere to write, or --out FILE")
    else:
        target = Path(str(out))
        if target.is_dir():
            problems.append(f"{target}: is a folder; expected the name of a file to write")
        elif not target.parent.is_dir():
            problems.append(f"{target}: there is no folder {str(target.parent)!r}; make it first")
    if problems:
        raise DataError("; ".join(problems))


def _unreadable(place: str) -> str | None:
    if place == "-":
        return "standard input is closed; expected text" if sys.stdin is None else None
    if not Path(place).exists():
        return f"{place}: no such file"
    return f"{place}: is a folder; expected files" if Path(place).is_dir() else None


def _input_format(place: str, options: InputOptions) -> Format:
    if options.from_ is not None:
        return FORMATS[options.from_]
    if place == "-":
        return FORMATS["text"]
    try:
        format = by_ending(place)
    except DataError:  # whatever else it is called, it is text
        return FORMATS["text"]
    if format.reader is None:
        raise DataError(f"{place}: {format.name} is only written; expected text, or name the format with --from")
    return format


def _output_format(options: OutputOptions, *, piped: str, on_terminal: str) -> Format:
    to_stdout = options.out in (None, "-")
    if options.to is not None:
        if options.to in _BINARY and to_stdout and is_terminal(sys.stdout):
            raise typer.BadParameter(f"{options.to} is not for terminals; add --out FILE", param_hint="--to")
        return FORMATS[options.to]
    if to_stdout:
        return FORMATS[on_terminal if is_terminal(sys.stdout) else piped]
    try:
        format = by_ending(str(options.out))
    except DataError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    if format.layers:
        return format
    if piped in _LINE_A_RECORD:  # plain text, with the words set apart
        return FORMATS[piped]
    said = f"{options.out}: {format.name} holds nothing that is found; name the format with --to"
    raise typer.BadParameter(said, param_hint="--out")


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where records come from and go to.

    Attributes:
        sources: The files, each with its format.
        input: How they are read.
        output: Where results go.
        format: The format of the results.
    """

    sources: tuple[tuple[str, Format], ...]
    input: InputOptions
    output: OutputOptions
    format: Format

    def run(self, tagger: Tagger, *, given_words: bool, is_quiet: bool, unasked: Collection[str] = ()) -> None:
        """Read everything, tag it and write it.

        Args:
            tagger: What reads the texts.
            given_words: Keep the words of the input.
            is_quiet: Show no progress.
            unasked: Losses that are not worth a word.

        Raises:
            DataError: If a record cannot be read or written.
        """
        losses = Losses()
        files = InputFiles([place for place, _ in self.sources])
        records = self._records(files, losses, given_words=given_words)
        if self._is_conversation:
            if self._asks_a_person:
                note("one record a line; Ctrl-D ends")
            results = _one_by_one(tagger, records, given_words=given_words)
        else:
            results = tagger.stream_documents(records, given_words=given_words)
        with show_progress(files, is_wanted=not is_quiet and self._leaves_stderr_free) as watched:
            written = self._write(watched(results))
        if self.output.to is not None or self.output.out is not None or not is_terminal(sys.stdout):
            say_losses(loss for loss in (*losses, *written) if loss.what not in unasked)

    def _records(self, files: InputFiles, losses: Losses, *, given_words: bool) -> Iterator[Document]:
        for place, format in self.sources:
            if format.reader is None:
                continue
            with files.open(place) as source:
                reader: Any = format.reader
                options = {"repair": True} if format.name in _WITH_TAGS else {}  # tags of the input are not kept
                records = reader(source, encoding=self.input.encoding, losses=losses, **options)
                records = self._checked(records, place, format, given_words=given_words)
                yield from records if given_words else _with_note(records, place)

    def _checked(
        self, records: Iterable[Document], place: str, format: Format, *, given_words: bool
    ) -> Iterator[Document]:
        """Refuse records that are too long, or have no words to keep, saying where they stand."""
        at = ":" if format.name in _LINE_A_RECORD else ": record "
        for number, record in enumerate(records, 1):
            if problem := self._problem(record, given_words=given_words):
                raise DataError(f"{name_of(place)}{at}{number}: {problem}")
            yield record

    def _problem(self, record: Document, *, given_words: bool) -> str | None:
        limit = self.input.max_chars
        if limit is not None and len(record.text) > limit:
            return f"{len(record.text):,} characters; expected at most {limit:,} (--max-chars)"
        if given_words and "words" not in record.layers and record.text.strip():
            return "has no words; expected words to keep (--given-words). Give segmented text, or leave the option out"
        return None

    def _write(self, documents: Iterator[Document]) -> Sequence[Any]:
        options: dict[str, Any] = {}
        if self.format.name in _WITH_OFFSETS:
            options["offsets"] = self.output.offsets
        elif self.output.offsets != "char":
            note(f"--offsets {self.output.offsets}: there are no offsets in the format {self.format.name}")
        if self.format.name in _OF_WHOLE_WORDS:
            options["off_words"] = "widen"
        writer: Any = self.format.writer
        losses: Sequence[Any] = writer(documents, self.output.out or "-", **options)
        return losses

    @property
    def _is_conversation(self) -> bool:
        """Whether someone waits for the answer to a line before sending the next."""
        return self.output.line_buffered or self._asks_a_person

    @property
    def _asks_a_person(self) -> bool:
        return any(place == "-" for place, _ in self.sources) and is_terminal(sys.stdin)

    @property
    def _leaves_stderr_free(self) -> bool:
        """Whether a progress bar on stderr would not stand in the results or in the person's own lines."""
        to_terminal = self.output.out in (None, "-") and is_terminal(sys.stdout)
        return not to_terminal and not self._is_conversation


def _with_note(records: Iterator[Document], place: str) -> Iterator[Document]:
    """The records; if the first has words, say what becomes of them."""
    for first in records:
        if "words" in first.layers:
            note(
                f"{name_of(place)}: has words, but the model reads the text alone (lexel tag --given-words keeps them)"
            )
        yield first
        break
    yield from records


def _one_by_one(tagger: Tagger, records: Iterable[Document], *, given_words: bool) -> Iterator[Document]:
    """Read each record, and have its result on its way, before the next is asked for."""
    for record in records:
        yield from tagger.stream_documents([record], given_words=given_words)
        if sys.stdout is not None:
            with write_errors("<stdout>"):
                sys.stdout.flush()

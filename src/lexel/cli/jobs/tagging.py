"""Tags records from files: line n of the input is record n of the output, in constant memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer

from lexel.cli.jobs.bad_records import check_on_error, counted_faults
from lexel.cli.jobs.records import Inputs, Placed, find_inputs
from lexel.cli.jobs.results import Route, goes_to_terminal
from lexel.cli.jobs.scripts import bundled_model_of, with_note_on_script
from lexel.cli.options.groups import InputOptions, OutputOptions
from lexel.cli.terminal.messages import flush_output, is_terminal, note, say_losses
from lexel.cli.terminal.progress import InputFiles
from lexel.data import FORMATS, Faults, Format, Losses, by_ending
from lexel.data.files import name_of
from lexel.data.packing import packing_of
from lexel.data.records import Record, write_records
from lexel.document import Document
from lexel.errors import DataError
from lexel.tasks.tag import Tagger
from lexel.tasks.with_inputs import with_inputs

_WITH_OFFSETS = ("jsonl", "csv", "tsv", "parquet")
_LINE_A_RECORD = ("text", "segmented")


def plan_tagging(
    files: Sequence[str] | None, input: InputOptions, *, output: OutputOptions, piped: str, on_terminal: str
) -> TaggingJob:
    """Choose formats and check the files, so that errors are reported before a model is loaded.

    Args:
        files: The files to read; ``-`` or no file means standard input.
        input: How they are read.
        output: The output and its format.
        piped: The format into a pipe, unless ``--to`` or an ending selects another.
        on_terminal: The format on a terminal, unless ``--to`` or an ending selects another.

    Raises:
        DataError: If a file cannot be read or written.
        typer.BadParameter: If the format of the output is unclear, or does not suit the output.
    """
    if output.follow:
        _check_follow(files, output)
    check_on_error(input.on_error, output.out)
    inputs = replace(find_inputs(files, input, out=output.out, keep=output.keep), follows=output.follow)
    return TaggingJob(inputs, output, _output_format(output, piped=piped, on_terminal=on_terminal))


def _check_follow(files: Sequence[str] | None, output: OutputOptions) -> None:
    """Refuse inputs that cannot be followed, and outputs that would never be complete."""
    if files is None or len(files) != 1 or not os.path.isfile(files[0]) or packing_of(files[0]) is not None:
        raise typer.BadParameter("needs one file of text, JSON lines, CSV or TSV", param_hint="--follow")
    if output.out not in (None, "-"):
        found = f"--out {output.out} would never be complete; omit it, and redirect standard output"
        raise typer.BadParameter(found, param_hint="--follow")


def _output_format(options: OutputOptions, *, piped: str, on_terminal: str) -> Format:
    if options.to is not None:
        if FORMATS[options.to].is_binary and goes_to_terminal(options.out):
            raise typer.BadParameter(f"{options.to} is not for terminals; add --out FILE", param_hint="--to")
        return FORMATS[options.to]
    if options.out in (None, "-"):
        return FORMATS[on_terminal if is_terminal(sys.stdout) else piped]
    try:
        format = by_ending(str(options.out), option="--to")
    except DataError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    if format.layers:
        return format
    if piped in _LINE_A_RECORD:  # plain text, with spaces between the words
        return FORMATS[piped]
    said = f"{options.out}: {format.name} cannot hold results; name the format with --to"
    raise typer.BadParameter(said, param_hint="--out")


@dataclass(frozen=True, slots=True)
class TaggingJob:
    """Records to tag, and the output.

    Attributes:
        inputs: The files.
        output: The output.
        format: The format of the results.
    """

    inputs: Inputs
    output: OutputOptions
    format: Format

    def run(self, tagger: Tagger, *, given_words: bool, is_quiet: bool, unasked: Collection[str] = ()) -> None:
        """Read and tag all records, and write the results.

        Args:
            tagger: The tagger.
            given_words: Keep the words of the input.
            is_quiet: Show no progress.
            unasked: Lost parts that need no note.

        Raises:
            DataError: If a record cannot be read or written.
        """
        route = Route(self.inputs.places, self.output.out, self.output.line_buffered)
        may_wait = route.may_wait or self.inputs.follows

        def read(records: Iterator[Record]) -> Iterator[Record]:
            if route.is_conversation:
                return _one_by_one(tagger, records, given_words=given_words)
            results = _tagged(tagger, records, given_words=given_words, live=may_wait)
            return _sent_at_once(results) if may_wait else results

        self.write(read, bundled_model_of(tagger), given_words=given_words, is_quiet=is_quiet, unasked=unasked)

    def write(
        self,
        read: Callable[[Iterator[Record]], Iterator[Record]],
        bundled: str | None,
        *,
        given_words: bool,
        is_quiet: bool,
        unasked: Collection[str] = (),
    ) -> None:
        """Write the records with their results.

        Args:
            read: Returns records with their results, in order.
            bundled: The bundled model that reads them, if it is one.
            given_words: See ``run``.
            is_quiet: See ``run``.
            unasked: See ``run``.

        Raises:
            DataError: If a record cannot be read or written.
        """
        losses, files = Losses(), InputFiles(self.inputs.places)
        route = Route(self.inputs.places, self.output.out, self.output.line_buffered)
        with counted_faults(self.inputs.options.on_error, out=self.output.out) as faults:
            records = self._records(files, losses, faults, given_words=given_words)
            with route.in_sight(files, is_quiet=is_quiet) as watched:
                written = self._write(watched(read(with_note_on_script(records, bundled))), losses)
        self._say(losses, written, faults, unasked)

    def _say(self, losses: Losses, written: Sequence[Any], faults: Faults, unasked: Collection[str]) -> None:
        if self.output.to is not None or self.output.out is not None or not is_terminal(sys.stdout):
            say_losses(loss for loss in (*losses, *written) if loss.what not in unasked)
        say_losses((), faults)

    def _records(self, files: InputFiles, losses: Losses, faults: Faults, *, given_words: bool) -> Iterator[Record]:
        for place, format in self.inputs.sources:
            records = self.inputs.read_file(place, format, files=files, losses=losses, faults=faults)
            yield from _with_words(records, faults) if given_words else _with_note(records, place)

    def _write(self, records: Iterator[Record], losses: Losses) -> Sequence[Any]:
        options: dict[str, Any] = {}
        if self.format.name not in _WITH_OFFSETS and self.output.offsets != "char":
            note(f"--offsets {self.output.offsets}: there are no offsets in the format {self.format.name}")
        if self.format.of_whole_words:
            options["off_words"] = "widen"
        out = self.output.out or "-"
        if self.format.name in _WITH_OFFSETS:
            write_records(records, out, format=self.format.name, unit=self.output.offsets)
            return ()
        writer: Any = self.format.writer
        lost: Sequence[Any] = writer(self._documents(records, losses), out, **options)
        return lost

    def _documents(self, records: Iterator[Record], losses: Losses) -> Iterator[Document]:
        """The documents of records, for a format that holds no other columns."""
        for record in records:
            for name in record.fields:
                losses.add(f"column {name!r}", 1, format=self.format.name)
            yield record.as_document


def _tagged(tagger: Tagger, records: Iterable[Record], *, given_words: bool, live: bool) -> Iterator[Record]:
    """The records with results in place of their own annotation."""

    def read(records: Iterator[Record]) -> Iterator[Document]:
        documents = (record.as_document for record in records)
        return tagger.stream_documents(documents, given_words=given_words, live=live)

    return (record.with_document(found) for record, found in with_inputs(records, read))


def _sent_at_once(results: Iterable[Record]) -> Iterator[Record]:
    """Results, each flushed before waiting for the next."""
    for result in results:
        yield result
        flush_output()


def _with_words(records: Iterable[Placed], faults: Faults) -> Iterator[Record]:
    """The records; one without words is refused."""
    for where, record in records:
        if "words" not in record.as_document.layers and record.text.strip():
            expected = "expected words to keep (--given-words). Give segmented text, or leave the option out"
            faults.take(DataError(f"{where}: has no words; {expected}"))
            continue
        yield record


def _with_note(records: Iterable[Placed], place: str) -> Iterator[Record]:
    """The records; prints a note if the first has words, since they are not used."""
    for number, (_, record) in enumerate(records):
        if number == 0 and "words" in record.as_document.layers:
            note(
                f"{name_of(place)}: has words, but the model reads the text alone (lexel tag --given-words keeps them)"
            )
        yield record


def _one_by_one(tagger: Tagger, records: Iterable[Record], *, given_words: bool) -> Iterator[Record]:
    """Read each record, and flush its result, before the next one is read."""
    for record in records:
        yield from _tagged(tagger, [record], given_words=given_words, live=False)
        flush_output()

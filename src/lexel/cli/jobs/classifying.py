"""Classifies texts from files: record n of the input is record n of the output, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import typer

from lexel.cli.jobs.loading import load_reader
from lexel.cli.jobs.records import check_places, is_short_enough
from lexel.cli.jobs.results import (
    BOLD,
    DIM,
    JSON_ENDINGS,
    Result,
    Route,
    Write,
    choose_format,
    json_writer,
    on_one_line,
    stream_found,
    styler,
)
from lexel.cli.options.classify import ClassOptions, ClassOutputOptions, TextOptions
from lexel.cli.options.groups import ComputeOptions, HeadOptions, MessageOptions
from lexel.cli.terminal.messages import note, say_losses
from lexel.cli.terminal.progress import InputFiles
from lexel.data import FORMATS, Faults
from lexel.data.classified import FORMATS as OWN_FORMATS
from lexel.data.classified import Classified, Columns, format_of, read_classified
from lexel.data.fasttext import line_of_classes
from lexel.data.files import TextOutput
from lexel.data.formats import by_ending
from lexel.errors import DataError
from lexel.tasks.classify import Classification, Classifier
from lexel.tasks.zero_shot import ZeroShotClassifier
from lexel.visible import for_terminal

AnyClassifier = Classifier | ZeroShotClassifier
_ENDINGS = {**JSON_ENDINGS, ".tsv": "tsv"}


def check_classes(classes: ClassOptions) -> None:
    """Refuse options that cannot be combined.

    Raises:
        typer.BadParameter: Naming the wrong option.
    """
    if classes.labels is None and classes.template is not None:
        raise typer.BadParameter("is for zero-shot; add --labels A,B,...", param_hint="--template")
    for name, value in (
        ("--function", classes.function),
        ("--calibration", classes.calibration),
        ("--calibrate", classes.calibrate or None),
    ):
        if classes.labels is not None and value is not None:
            raise typer.BadParameter("is for trained classes; leave out --labels", param_hint=name)


def load_classifier(
    model: HeadOptions, classes: ClassOptions, *, script: str, compute: ComputeOptions, messages: MessageOptions
) -> AnyClassifier:
    """Load the classifier that the options name: a trained one, or with ``--labels`` a zero-shot one."""
    if classes.labels is None:
        return load_calibrated(model, classes, script=script, compute=compute, messages=messages)
    return load_reader(
        ZeroShotClassifier.load,
        model,
        compute=compute,
        messages=messages,
        script=script,
        labels=[label for part in classes.labels.split(",") if (label := part.strip())],
        template=classes.template,
        multi_label=bool(classes.multi_label),
        threshold=classes.threshold,
        top_k=classes.top_k,
    )


def load_calibrated(
    model: HeadOptions, classes: ClassOptions, *, script: str, compute: ComputeOptions, messages: MessageOptions
) -> Classifier:
    """Load a trained classifier, with the calibration in the options."""
    return load_reader(
        Classifier.load,
        model,
        compute=compute,
        messages=messages,
        script=script,
        expects=classes.expect,
        calibration=classes.calibration,
        function=classes.function,
        multi_label=classes.multi_label,
        threshold=classes.threshold,
        top_k=classes.top_k,
    )


def plan_classes(
    files: Sequence[str] | None, texts: TextOptions, *, output: ClassOutputOptions, is_labelled: bool
) -> ClassifyingJob:
    """Choose formats and check the files, so that errors are reported before a model is loaded.

    Args:
        files: The files to read; ``-`` or no file means standard input.
        texts: How they are read.
        output: The output and its format.
        is_labelled: Whether the input must be labelled.

    Raises:
        DataError: If a file cannot be read or written.
        typer.BadParameter: If the format of the output is unclear.
    """
    places = tuple(files or ("-",))
    check_places(places, output.out)
    sources = tuple((place, _input_format(place, texts, is_labelled=is_labelled)) for place in places)
    return ClassifyingJob(
        sources, texts, output, "jsonl" if is_labelled else choose_format(output.to, output.out, endings=_ENDINGS)
    )


def _input_format(place: str, texts: TextOptions, *, is_labelled: bool) -> str:
    if texts.from_ is not None:
        return texts.from_
    known = format_of(place)
    if is_labelled or known != "jsonl":
        return known
    try:
        return "text" if place == "-" else by_ending(place).name
    except DataError:  # any other ending means text
        return "text"


@dataclass(frozen=True, slots=True)
class ClassifyingJob:
    """Texts to classify, and the output.

    Attributes:
        sources: The files, each with its format.
        texts: How they are read.
        output: The output.
        format: The format of the results.
    """

    sources: tuple[tuple[str, str], ...]
    texts: TextOptions
    output: ClassOutputOptions
    format: str

    def run(self, classifier: AnyClassifier, *, is_quiet: bool) -> None:
        """Read and classify all texts, and write the results.

        Raises:
            DataError: If a record cannot be read or written.
        """
        files, faults = InputFiles(self._places), Faults(self.texts.on_error)
        route = Route(self._places, self.output.out, self.output.line_buffered)
        records = self._records(files, faults, labelled=False)
        with route.in_sight(files, is_quiet=is_quiet) as watched:
            results = watched(_results(classifier, records, route=route))
            route.write(results, WRITERS[self.format])
        say_losses((), faults)

    def calibrate(self, classifier: Classifier) -> None:
        """Calibrate on the labelled input, and write the result.

        Raises:
            DataError: If a record cannot be read, or there are none.
            LabelError: If labels do not match the model's.
        """
        files, faults = InputFiles(self._places), Faults(self.texts.on_error)
        found = classifier.calibrate(self._records(files, faults, labelled=True))
        found.save(self.output.out or "-")
        say_losses((), faults)
        note(f"{found.n_examples:,} texts; temperature {found.temperature:.3f}")
        for label, threshold in found.thresholds.items():
            note(f"{label}: threshold {threshold:.4f}, F1 {100 * found.f1[label]:.1f}")

    def _records(self, files: InputFiles, faults: Faults, *, labelled: bool) -> Iterator[Classified]:
        for place, format in self.sources:
            by_path = format in FORMATS and FORMATS[format].by_path
            with nullcontext(place) if by_path else files.open(place) as source:
                for record in self._read(source, place, format, faults, labelled=labelled):
                    n_chars = len(record.text) + len(record.pair or "")
                    if is_short_enough(n_chars, faults, where=record.where, limit=self.texts.max_chars):
                        yield record

    def _read(self, source: Any, place: str, format: str, faults: Faults, *, labelled: bool) -> Iterator[Classified]:
        texts = self.texts
        if format in OWN_FORMATS:
            columns = Columns(texts.text_field, texts.pair_field, texts.label_field)
            yield from read_classified(
                source,
                encoding=texts.encoding,
                format=format,
                columns=columns,
                labelled=labelled,
                faults=faults,
            )
            return
        reader: Any = FORMATS[format].reader
        if labelled or reader is None:
            expected = (
                "labelled texts in jsonl, tsv, csv or fasttext" if labelled else "text; or name the format with --from"
            )
            raise DataError(f"{place}: {format} is not read here; expected {expected}")
        for number, document in enumerate(reader(source, encoding=texts.encoding, faults=faults), 1):
            yield Classified(document.text, None, (), f"{place}: record {number}", document.id)

    @property
    def _places(self) -> tuple[str, ...]:
        return tuple(place for place, _ in self.sources)


def _results(classifier: AnyClassifier, records: Iterable[Classified], *, route: Route) -> Iterator[Result]:
    def read(given: Iterable[Classified]) -> Iterator[Classification]:
        return classifier.stream((_text_of(record, classifier) for record in given), live=route.may_wait)

    for record, found in stream_found(records, read, one_by_one=route.is_conversation):
        yield Result(record.id, record.text, found)


def _text_of(record: Classified, classifier: AnyClassifier) -> Any:
    if record.pair is None:
        return record.text
    if isinstance(classifier, ZeroShotClassifier):
        raise DataError(f"{record.where}: a pair of texts; --labels classifies single texts")
    return record.text, record.pair


# Formats -------------------------------------------------------------------------------------------------------------


def _tsv_writer(output: TextOutput) -> Write:
    """Lines with labels, best score, and the text; for pairs, also the second text."""
    columns: list[str] = []

    def write(result: Result) -> None:
        found: Classification = result.found
        if not columns:
            columns.extend(("labels", "score", "text", *(() if found.pair is None else ("text_pair",))))
            output.write("\t".join(columns) + "\n")
        cells = [",".join(found.labels), f"{found.score:.6g}", found.text]
        cells += [] if found.pair is None else [found.pair]
        if len(cells) != len(columns) or any("\t" in cell or "\n" in cell for cell in cells):
            problem = (
                "a tab or a line end" if len(cells) == len(columns) else "a pair among texts, or a text among pairs"
            )
            raise output.error(f"{problem}; a table cannot hold it; write JSON lines instead")
        output.write("\t".join(cells) + "\n")

    return write


def _fasttext_writer(output: TextOutput) -> Write:
    """Lines with classes and the text, for training fastText."""

    def write(result: Result) -> None:
        found: Classification = result.found
        if found.pair is not None:
            raise output.error("a pair of texts; fastText has single texts; write JSON lines instead")
        output.write(line_of_classes(found.text, found.labels, output))

    return write


def _terminal_writer(output: TextOutput) -> Write:
    """One line per text: the classes with their scores, assigned ones in bold, and the text."""
    in_style = styler(output)

    def write(result: Result) -> None:
        found: Classification = result.found
        scores = [
            in_style(f"{for_terminal(label)} {score:.3f}", BOLD if label in found.labels else DIM)
            for label, score in found.ranked
        ]
        parts = [found.text] if found.pair is None else [found.text, found.pair]
        shown = "  |  ".join(on_one_line(part) for part in parts)
        output.write(f"{'  '.join(scores)}\t{shown}\n")

    return write


WRITERS: dict[str, Callable[[TextOutput], Write]] = {
    "jsonl": json_writer(Classification.record),
    "tsv": _tsv_writer,
    "fasttext": _fasttext_writer,
    "terminal": _terminal_writer,
}

"""Texts from files through a classifier into the output: record n in is record n out, in constant memory."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from lexel.cli.classify import ClassOptions, ClassOutputOptions, TextOptions
from lexel.cli.loading import fetch_in_sight
from lexel.cli.messages import is_terminal, note
from lexel.cli.options import ComputeOptions, HeadOptions, MessageOptions
from lexel.cli.progress import InputFiles, show_progress
from lexel.cli.transfer import check_places
from lexel.data import FORMATS
from lexel.data.classified import FORMATS as OWN_FORMATS
from lexel.data.classified import Classified, Columns, format_of, read_classified
from lexel.data.files import COMPRESSED_ENDINGS, TextOutput, open_output, write_errors
from lexel.data.formats import by_ending
from lexel.data.render import visible
from lexel.errors import DataError
from lexel.tasks.classify import Classification, Classifier
from lexel.tasks.zero_shot import ZeroShotClassifier

AnyClassifier = Classifier | ZeroShotClassifier
_ENDINGS = {".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv"}
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def check_classes(classes: ClassOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        typer.BadParameter: Naming the one that cannot be.
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
    """The classifier that the options ask for: of trained classes, or with ``--labels`` of any."""
    if classes.labels is None:
        return load_calibrated(model, classes, script=script, compute=compute, messages=messages)
    fetch_in_sight((model.model,), model, messages)
    return ZeroShotClassifier.load(
        model.model,
        labels=[label for part in classes.labels.split(",") if (label := part.strip())],
        template=classes.template,
        multi_label=bool(classes.multi_label),
        threshold=classes.threshold,
        top_k=classes.top_k,
        **_common(model, classes, script, compute),
    )


def load_calibrated(
    model: HeadOptions, classes: ClassOptions, *, script: str, compute: ComputeOptions, messages: MessageOptions
) -> Classifier:
    """The classifier of trained classes, with the calibration that the options name."""
    fetch_in_sight((model.model,), model, messages)
    return Classifier.load(
        model.model,
        calibration=classes.calibration,
        function=classes.function,
        multi_label=classes.multi_label,
        threshold=classes.threshold,
        top_k=classes.top_k,
        **_common(model, classes, script, compute),
    )


def _common(model: HeadOptions, classes: ClassOptions, script: str, compute: ComputeOptions) -> dict[str, Any]:
    return {
        "revision": model.revision,
        "pieces": model.pieces,
        "script": script,
        "head": model.head,
        **compute.loading,
    }


def plan_classes(
    files: Sequence[str] | None, texts: TextOptions, *, output: ClassOutputOptions, is_labelled: bool
) -> ClassifyingJob:
    """Settle formats and look at the files, so that what is wrong is said before a model is loaded.

    Args:
        files: The files to read; ``-`` or none of them is standard input.
        texts: How they are read.
        output: Where results go.
        is_labelled: Whether the input must be labelled.

    Raises:
        DataError: If a file cannot be there.
        typer.BadParameter: If the format of the output is unclear.
    """
    places = tuple(files or ("-",))
    check_places(places, output.out)
    sources = tuple((place, _input_format(place, texts, is_labelled=is_labelled)) for place in places)
    return ClassifyingJob(sources, texts, output, "jsonl" if is_labelled else _output_format(output))


def _input_format(place: str, texts: TextOptions, *, is_labelled: bool) -> str:
    if texts.from_ is not None:
        return texts.from_
    known = format_of(place)
    if is_labelled or known != "jsonl":
        return known
    try:
        return "text" if place == "-" else by_ending(place).name
    except DataError:  # whatever else it is called, it is text
        return "text"


def _output_format(output: ClassOutputOptions) -> str:
    if output.to is not None:
        return output.to
    if output.out in (None, "-"):
        return "terminal" if is_terminal(sys.stdout) else "jsonl"
    name = str(output.out).lower()
    for ending in COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    ending = os.path.splitext(name)[1]
    if ending not in _ENDINGS:
        raise typer.BadParameter(
            f"{output.out}: ending {ending!r}; expected one of {', '.join(_ENDINGS)}; or name the format with --to",
            param_hint="--out",
        )
    return _ENDINGS[ending]


@dataclass(frozen=True, slots=True)
class ClassifyingJob:
    """What is classified, and where it goes.

    Attributes:
        sources: The files, each with its format.
        texts: How they are read.
        output: Where results go.
        format: The format of the results.
    """

    sources: tuple[tuple[str, str], ...]
    texts: TextOptions
    output: ClassOutputOptions
    format: str

    def run(self, classifier: AnyClassifier, *, is_quiet: bool) -> None:
        """Read everything, classify it and write it.

        Raises:
            DataError: If a record cannot be read or written.
        """
        files = InputFiles([place for place, _ in self.sources])
        records = self._records(files, labelled=False)
        if self._asks_a_person:
            note("one record a line; Ctrl-D ends")
        results = _results(classifier, records, one_by_one=self._is_conversation)
        with show_progress(files, is_wanted=not is_quiet and self._leaves_stderr_free) as watched:
            seen: Any = watched
            with open_output(self.output.out or "-") as output:
                write = WRITERS[self.format](output)
                for result in seen(results):
                    write(result)
                    if self._is_conversation and sys.stdout is not None:
                        with write_errors("<stdout>"):
                            sys.stdout.flush()

    def calibrate(self, classifier: Classifier) -> None:
        """Find what suits the labelled input, and write it.

        Raises:
            DataError: If a record cannot be read, or there is none.
            LabelError: If labels do not fit the model's.
        """
        files = InputFiles([place for place, _ in self.sources])
        found = classifier.calibrate(self._records(files, labelled=True))
        found.save(self.output.out or "-")
        note(f"{found.n_examples:,} texts; temperature {found.temperature:.3f}")
        for label, threshold in found.thresholds.items():
            note(f"{label}: threshold {threshold:.4f}, F1 {100 * found.f1[label]:.1f}")

    def _records(self, files: InputFiles, *, labelled: bool) -> Iterator[Classified]:
        limit = self.texts.max_chars
        for place, format in self.sources:
            with files.open(place) as source:
                for record in self._read(source, place, format, labelled=labelled):
                    n_chars = len(record.text) + len(record.pair or "")
                    if limit is not None and n_chars > limit:
                        raise DataError(
                            f"{record.where}: {n_chars:,} characters; expected at most {limit:,} (--max-chars)"
                        )
                    yield record

    def _read(self, source: Any, place: str, format: str, *, labelled: bool) -> Iterator[Classified]:
        texts = self.texts
        if format in OWN_FORMATS:
            columns = Columns(texts.text_field, texts.pair_field, texts.label_field)
            yield from read_classified(
                source, encoding=texts.encoding, format=format, columns=columns, labelled=labelled
            )
            return
        reader: Any = FORMATS[format].reader
        if labelled or reader is None:
            expected = "labelled texts in jsonl, tsv or csv" if labelled else "text; or name the format with --from"
            raise DataError(f"{place}: {format} is not read here; expected {expected}")
        for number, document in enumerate(reader(source, encoding=texts.encoding), 1):
            yield Classified(document.text, None, (), f"{place}: record {number}", document.id)

    @property
    def _is_conversation(self) -> bool:
        return self.output.line_buffered or self._asks_a_person

    @property
    def _asks_a_person(self) -> bool:
        return any(place == "-" for place, _ in self.sources) and is_terminal(sys.stdin)

    @property
    def _leaves_stderr_free(self) -> bool:
        to_terminal = self.output.out in (None, "-") and is_terminal(sys.stdout)
        return not to_terminal and not self._is_conversation


@dataclass(frozen=True, slots=True)
class _Result:
    """A record of the output."""

    id: str | None
    found: Classification

    @property
    def text(self) -> str:
        return self.found.text


def _results(classifier: AnyClassifier, records: Iterable[Classified], *, one_by_one: bool) -> Iterator[_Result]:
    """What is found in each record; one by one, each has its result before the next is read."""
    if one_by_one:
        for record in records:
            yield from _results(classifier, [record], one_by_one=False)
        return
    ids: deque[str | None] = deque()

    def texts() -> Iterator[Any]:
        for record in records:
            if record.pair is not None and isinstance(classifier, ZeroShotClassifier):
                raise DataError(f"{record.where}: a pair of texts; --labels classifies single texts")
            ids.append(record.id)
            yield record.text if record.pair is None else (record.text, record.pair)

    for found in classifier.stream(texts()):
        yield _Result(ids.popleft(), found)


# Formats -------------------------------------------------------------------------------------------------------------


def _jsonl_writer(output: TextOutput) -> Callable[[_Result], None]:
    def write(result: _Result) -> None:
        record = {"id": result.id, **result.found.record()}
        line = json.dumps(record, ensure_ascii=False)
        if not line.isascii() and any("\ud800" <= char <= "\udfff" for char in line):
            line = json.dumps(record)  # lone surrogates stand as escapes
        output.write(line + "\n")

    return write


def _tsv_writer(output: TextOutput) -> Callable[[_Result], None]:
    """Lines of labels, best score, and the text; of pairs its second one too."""
    columns: list[str] = []

    def write(result: _Result) -> None:
        found = result.found
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


def _terminal_writer(output: TextOutput) -> Callable[[_Result], None]:
    """A line a text: the classes with their scores, those given in bold, and the text behind them."""
    styled = output.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def in_style(text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if styled else text

    def write(result: _Result) -> None:
        found = result.found
        scores = [
            in_style(f"{visible(label)} {score:.3f}", _BOLD if label in found.labels else _DIM)
            for label, score in found.ranked
        ]
        parts = [found.text] if found.pair is None else [found.text, found.pair]
        shown = "  |  ".join(visible(part.replace("\n", " ").replace("\t", " ")) for part in parts)
        output.write(f"{'  '.join(scores)}\t{shown}\n")

    return write


WRITERS: dict[str, Callable[[TextOutput], Callable[[_Result], None]]] = {
    "jsonl": _jsonl_writer,
    "tsv": _tsv_writer,
    "terminal": _terminal_writer,
}

"""``lexel evaluate``: how good a model is on labelled data."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lexel.cli.messages import is_terminal, reported, say_losses
from lexel.cli.options import (
    ComputeOptions,
    InputOptions,
    LabelOptions,
    LayerOptions,
    MessageOptions,
    ModelOptions,
    ReadingOptions,
    TagOptions,
    _option,
    grouped,
)
from lexel.errors import DataError

if TYPE_CHECKING:
    from lexel.cli.progress import InputFiles
    from lexel.data import Format, Losses
    from lexel.document import Document
    from lexel.evaluation.results import Results
    from lexel.evaluation.run import EvaluationOptions
    from lexel.tasks.tag import Tagger

_MEASURING = "Measuring"

Model = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="A folder or hub id; the same as --model.", show_default=False)
]

Data = Annotated[str, _option("--data", "-d", panel=_MEASURING, value="FILE", help="The labelled documents.")]


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """What is measured, and where the report goes."""

    vocabulary: Annotated[
        str | None,
        _option(
            "--vocabulary",
            panel=_MEASURING,
            value="FILE",
            help="Training data, or its words: recall of words in it and out of it.",
        ),
    ] = None
    map_labels: Annotated[
        str | None,
        _option(
            "--map-labels", panel=_MEASURING, value="FILE", help="JSON: gold labels to the model's names for them."
        ),
    ] = None
    fold: Annotated[
        str | None,
        _option(
            "--fold",
            panel=_MEASURING,
            value="RULE",
            help="Fold gold tags by XPOS; ud-zh-2.12: UD Chinese before 2.13.",
        ),
    ] = None
    samples: Annotated[
        int,
        _option("--samples", panel=_MEASURING, value="N", min=0, help="Bootstrap samples; 1000 if not given, 0: none."),
    ] = 1000
    seed: Annotated[int, _option("--seed", panel=_MEASURING, value="N", help="Of the samples; 42 if not given.")] = 42
    out: Annotated[
        str | None, _option("--out", "-o", panel=_MEASURING, value="FILE", help="Write the report as JSON.")
    ] = None
    html: Annotated[
        str | None,
        _option("--html", panel=_MEASURING, value="FILE", help="Write it as a page, with plots and mistakes."),
    ] = None


@grouped
def evaluate(
    *,
    model_or_id: Model = None,
    data: Data,
    measure: MeasureOptions,
    input: InputOptions,
    model: ModelOptions,
    layers: LayerOptions,
    labels: LabelOptions,
    reading: ReadingOptions,
    tagging: TagOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Score a model on labelled data.

    Every layer that the data and the model both have is scored: words,
    tags, entities by the strict and the lenient rule, each with a 95 %
    interval. All gold labels count.

    [dim]The bundled model, with a page to look through its mistakes:[/]
    [bold]lexel evaluate --data dev.conllu --html dev.html[/]

    [dim]Recall of words that training did not see:[/]
    [bold]lexel evaluate my-model -d test.seg --vocabulary train.seg[/]
    """
    with reported(messages):
        from lexel.cli.loading import load_tagger

        format, options = _plan(data, measure, input=input, tagging=tagging)
        chosen = _chosen(model, model_or_id)
        tagger = load_tagger(
            chosen, layers, labels=labels, reading=reading, tagging=tagging, compute=compute, messages=messages
        )
        run = _Run(tagger, data, format, options, input, is_quiet=messages.quiet, fold=measure.fold)
        _report(run, measure)


def _chosen(model: ModelOptions, named: str | None) -> ModelOptions:
    if named is None:
        return model
    if model.model is not None and model.model != named and _is_typed():
        raise typer.BadParameter(f"{named!r} and {model.model!r}; expected one model", param_hint="MODEL")
    return replace(model, model=named)


def _is_typed() -> bool:
    """Whether ``--model`` stands on the command line; a variable gives way to what is typed."""
    return any(argument.startswith(("-m", "--model")) for argument in sys.argv[1:])


def _plan(
    data: str, measure: MeasureOptions, *, input: InputOptions, tagging: TagOptions
) -> tuple[Format, EvaluationOptions]:
    """Look at all that is named, so that what is wrong is said before a model is loaded."""
    from lexel.data import reader_of
    from lexel.evaluation.run import EvaluationOptions
    from lexel.evaluation.tallies import Sampling

    format = _format_of(data, input)
    reader_of(format, fold=measure.fold)
    for out in (measure.out, measure.html):
        if out is not None and not Path(out).parent.is_dir():
            raise DataError(f"{out}: there is no folder {str(Path(out).parent)!r}; make it first")
    return format, EvaluationOptions(
        vocabulary=None if measure.vocabulary is None else _read_vocabulary(measure.vocabulary, input.encoding),
        label_map={} if measure.map_labels is None else _read_label_map(measure.map_labels),
        given_words=tagging.given_words,
        sampling=Sampling(measure.samples, measure.seed),
    )


def _format_of(place: str, input: InputOptions) -> Format:
    from lexel.data import FORMATS, by_ending

    if not Path(place).is_file():
        found = "standard input has no checksum" if place == "-" else "no such file"
        raise DataError(f"{place}: {found}; expected a file of labelled documents (--data)")
    format = FORMATS[input.from_] if input.from_ is not None else by_ending(place)
    if format.reader is None or not format.layers:
        raise DataError(f"{place}: {format.name} holds no labels that can be read; expected conllu, jsonl, conll, ...")
    return format


def _read_vocabulary(place: str, encoding: str) -> set[str]:
    """The words of labelled data, or of a list of words: any text file, with blanks or line ends between them."""
    from lexel.data import by_ending, read_lines

    try:
        format = by_ending(place)
    except DataError:
        format = None
    if format is not None and format.reader is not None and "words" in format.layers:
        words = {word for document in format.reader(place, encoding=encoding) for word in document.words.texts}
    else:
        words = {word for document in read_lines(place, encoding=encoding) for word in document.text.split()}
    if not words:
        raise DataError(f"{place}: holds no words; expected training data with words, or a list of them (--vocabulary)")
    return words


def _read_label_map(place: str) -> dict[str, str]:
    try:
        read = json.loads(Path(place).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{place}: cannot be opened ({error.strerror}); expected a JSON file (--map-labels)") from error
    except ValueError as error:
        raise DataError(f"{place}: is not JSON ({error}); expected an object of gold and model labels") from error
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise DataError(f'{place}: expected an object such as {{"LOCATION": "LOC"}}, gold labels to the model\'s')
    return read


@dataclass(frozen=True, slots=True)
class _Run:
    """A tagger, and the data it is measured on."""

    tagger: Tagger
    data: str
    format: Format
    options: EvaluationOptions
    input: InputOptions
    is_quiet: bool
    fold: str | None = None

    def documents(self, files: InputFiles, losses: Losses) -> Iterator[Document]:
        """The gold documents, those too long refused."""
        from lexel.data import reader_of

        limit, reader = self.input.max_chars, reader_of(self.format, fold=self.fold)
        with files.open(self.data) as source:
            for number, document in enumerate(reader(source, encoding=self.input.encoding, losses=losses), 1):
                if limit is not None and len(document.text) > limit:
                    found = f"{len(document.text):,} characters; expected at most {limit:,} (--max-chars)"
                    raise DataError(f"{self.data}: document {number}: {found}")
                yield document

    def measure(self) -> Results:
        """Score the data."""
        from lexel.cli.progress import InputFiles, show_progress
        from lexel.data import Losses
        from lexel.evaluation.run import evaluate

        losses, files = Losses(), InputFiles([self.data])
        with show_progress(files, is_wanted=not self.is_quiet) as watched:
            results = evaluate(self.tagger, watched(self.documents(files, losses)), options=self.options)
        say_losses(losses)
        if results.words is None and results.pos is None and results.entities is None:
            why = "; ".join(f"{layer}: {reason}" for layer, reason in results.absent.items())
            raise DataError(f"{self.data}: nothing to score ({why}); expected labels of a layer that the model reads")
        return results


def _report(run: _Run, measure: MeasureOptions) -> None:
    from rich.console import Console

    from lexel.evaluation.page import write_page
    from lexel.evaluation.provenance import describe_data, describe_run
    from lexel.evaluation.report import show, write_json
    from lexel.evaluation.results import Report

    command = shlex.join(["lexel", *sys.argv[1:]])
    data = describe_data(run.data, format=run.format.name, fold=run.fold)
    report = Report(run.measure(), describe_run(run.tagger, run.options, command=command, data=data))
    show(report, Console() if is_terminal(sys.stdout) else Console(width=100))
    if measure.out is not None:
        write_json(report, measure.out)
    if measure.html is not None:
        write_page(report, measure.html)

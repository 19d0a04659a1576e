"""``lexel evaluate``: evaluate a model on labelled data."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.jobs.outputs import check_outputs
from lexel.cli.jobs.scoring import evaluate_texts, task_of
from lexel.cli.options.evaluate import Data, MeasureOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    InputOptions,
    LabelOptions,
    LayerOptions,
    MessageOptions,
    ModelOptions,
    ReadingOptions,
    TagOptions,
    grouped,
)
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.options.named_model import Model, chosen_model
from lexel.cli.terminal.messages import reported, say_losses
from lexel.errors import DataError

if TYPE_CHECKING:
    from lexel.data import Faults
    from lexel.data.labelled import LabelledFile
    from lexel.evaluation.scores.results import Results
    from lexel.evaluation.scores.run import EvaluationOptions
    from lexel.tasks.tag import Tagger


@grouped
def evaluate(
    *,
    model_or_id: Model = None,
    data: Data,
    measure: MeasureOptions,
    labelled: LabelledOptions,
    input: InputOptions,
    model: ModelOptions,
    layers: LayerOptions,
    labels: LabelOptions,
    reading: ReadingOptions,
    tagging: TagOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Evaluate a model on labelled data.

    Scores every layer that both the data and the model have: words, tags,
    and entities by the strict and the lenient rule, each with a 95 %
    interval. Classifiers are scored on labelled texts, question answering
    on questions with answers.

    [dim]The bundled model, with an HTML page of its mistakes:[/]
    [bold]lexel evaluate --data dev.conllu --html dev.html[/]

    [dim]Recall of words that are not in the training data:[/]
    [bold]lexel evaluate my-model -d test.seg --vocabulary train.seg[/]
    """
    with reported(messages):
        from lexel.cli.jobs.bad_records import check_on_error, counted_faults
        from lexel.cli.jobs.loading import load_tagger
        from lexel.data.labelled import check_file

        check_file(data)
        check_on_error(input.on_error, measure.out)
        check_outputs(measure.out, measure.html, inputs=[data, measure.vocabulary, measure.map_labels])
        chosen = chosen_model(model, model_or_id)
        task = measure.task or ("tag" if _has_parts(chosen, layers) else task_of(chosen, labels))
        if task != "tag":
            evaluate_texts(
                task,
                data,
                measure=measure,
                model=chosen,
                labels=labels,
                input=input,
                labelled=labelled,
                compute=compute,
                is_quiet=messages.quiet,
            )
            return
        file = open_labelled(data, input, labelled)
        options = _options(measure, input=input, tagging=tagging)
        tagger = load_tagger(
            chosen, layers, labels=labels, reading=reading, tagging=tagging, compute=compute, messages=messages
        )
        with counted_faults(input.on_error, out=measure.out) as faults:
            _report(_Run(tagger, file, options, faults, is_quiet=messages.quiet), measure)


def _has_parts(model: ModelOptions, layers: LayerOptions) -> bool:
    """Whether layers have separate models, which must be taggers."""
    return any(part is not None for part in (model.words, layers.pos, layers.entities))


def _options(measure: MeasureOptions, *, input: InputOptions, tagging: TagOptions) -> EvaluationOptions:
    from lexel.data.labelled import read_label_map, read_vocabulary
    from lexel.evaluation.scores.run import EvaluationOptions
    from lexel.evaluation.scores.tallies import Sampling

    words, texts = (
        (None, None) if measure.vocabulary is None else read_vocabulary(measure.vocabulary, encoding=input.encoding)
    )
    return EvaluationOptions(
        vocabulary=words,
        training_texts=texts,
        label_map={} if measure.map_labels is None else read_label_map(measure.map_labels),
        given_words=tagging.given_words,
        sampling=Sampling(measure.samples, measure.seed),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """A tagger, and the data to evaluate it on."""

    tagger: Tagger
    data: LabelledFile
    options: EvaluationOptions
    faults: Faults
    is_quiet: bool

    def measure(self) -> Results:
        """Score the data."""
        from lexel.cli.terminal.progress import InputFiles, show_progress
        from lexel.data import Losses
        from lexel.evaluation.scores.run import evaluate

        place = self.data.path
        losses, files = Losses(), InputFiles([place])
        with show_progress(files, is_wanted=not self.is_quiet) as watched, files.open(place) as source:
            documents = self.data.documents(source, losses=losses, faults=self.faults)
            results = evaluate(self.tagger, watched(documents), options=self.options)
        say_losses(losses, self.faults)
        if not results.n_documents:
            raise DataError(f"{place}: no documents; expected labelled ones")
        if not results.has_scores:
            why = "; ".join(f"{layer}: {reason}" for layer, reason in results.absent.items())
            raise DataError(f"{place}: nothing to score ({why}); expected labels of a layer that the model reads")
        return results


def _report(run: _Run, measure: MeasureOptions) -> None:

    from lexel.cli.terminal.console import output_console
    from lexel.evaluation.reports.page import write_page
    from lexel.evaluation.reports.report import show, write_json
    from lexel.evaluation.scores.provenance import describe_data, describe_run
    from lexel.evaluation.scores.results import Report

    command = shlex.join(["lexel", *sys.argv[1:]])
    results = run.measure()
    data = describe_data(run.data.path, format=run.data.format.name, fold=run.data.fold, faults=run.faults)
    report = Report(results, describe_run(run.tagger, run.options, command=command, data=data))
    if measure.out is not None:
        write_json(report, measure.out)
    if measure.html is not None:
        write_page(report, measure.html)
    if not run.is_quiet:
        show(report, output_console(width=100))

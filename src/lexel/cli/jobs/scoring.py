"""``lexel evaluate`` for classifiers and for question answering."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lexel.cli.jobs.labelled import data_options
from lexel.cli.jobs.outputs import check_outputs
from lexel.cli.options.evaluate import MeasureOptions, TaskName
from lexel.cli.options.groups import ComputeOptions, InputOptions, LabelOptions, ModelOptions
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.terminal.messages import say_losses
from lexel.errors import LabelError

if TYPE_CHECKING:
    from lexel.data import Faults
    from lexel.data.labelled import DataOptions
    from lexel.evaluation.scores.tallies import Sampling
    from lexel.evaluation.scores.texts import TextResults
    from lexel.tasks.answer import Answerer
    from lexel.tasks.classify import Classifier


def task_of(model: ModelOptions, labels: LabelOptions) -> TaskName:
    """The task of a model, by its heads: tagging if it has such a head, else classification, else answers."""
    from lexel.names import TAGGING
    from lexel.tasks.loading import load_checkpoint

    try:
        checkpoint = load_checkpoint(model.model, revision=model.revision, pieces=labels.pieces)
    except LabelError:  # only a tagger's labels need more options
        return "tag"
    tasks = {head.task for head in checkpoint.heads.values()}
    if tasks & set(TAGGING) or not tasks & {"classify", "answer"}:
        return "tag"
    return "classify" if "classify" in tasks else "answer"


def evaluate_texts(
    task: TaskName,
    data: str,
    *,
    measure: MeasureOptions,
    model: ModelOptions,
    labels: LabelOptions,
    input: InputOptions,
    labelled: LabelledOptions,
    compute: ComputeOptions,
    is_quiet: bool,
) -> None:
    """Score a classifier, or a model that answers questions, and write the report."""
    from lexel.cli.jobs.bad_records import counted_faults
    from lexel.evaluation.scores.tallies import Sampling

    check_outputs(measure.out, measure.html, inputs=[data, measure.vocabulary, measure.map_labels])
    options: dict[str, Any] = {"revision": model.revision, "pieces": labels.pieces, "max_chars": input.max_chars}
    options |= compute.loading
    sampling = Sampling(measure.samples, measure.seed)
    run = _classify if task == "classify" else _answer
    with counted_faults(input.on_error, out=measure.out) as faults:
        gold = _Gold(data, data_options(input, labelled), faults)
        reader, results = run(model.model, gold, options=options, sampling=sampling)
    say_losses((), faults)
    made = _made(reader, gold, task=task, sampling=sampling)
    _report(results, measure, made=made, is_quiet=is_quiet)


@dataclass(frozen=True, slots=True)
class _Gold:
    """The data, how it is read, and the skipped records."""

    path: str
    options: DataOptions
    faults: Faults


def _classify(
    model: str | None, gold: _Gold, *, options: dict[str, Any], sampling: Sampling
) -> tuple[Classifier, TextResults]:
    from lexel.data.labelled import read_labelled_texts
    from lexel.evaluation.scores.texts import evaluate_classifier
    from lexel.tasks.classify import Classifier

    classifier = Classifier.load(model, **options)
    texts = read_labelled_texts(gold.path, gold.options, faults=gold.faults)
    return classifier, evaluate_classifier(classifier, texts, sampling=sampling)


def _answer(
    model: str | None, gold: _Gold, *, options: dict[str, Any], sampling: Sampling
) -> tuple[Answerer, TextResults]:
    from lexel.data.labelled import read_labelled_questions
    from lexel.evaluation.scores.texts import evaluate_answerer
    from lexel.tasks.answer import Answerer

    answerer = Answerer.load(model, **options)
    questions = read_labelled_questions(gold.path, gold.options, faults=gold.faults)
    return answerer, evaluate_answerer(answerer, questions, sampling=sampling)


def _made(reader: Classifier | Answerer, gold: _Gold, *, task: TaskName, sampling: Sampling) -> dict[str, Any]:
    """The provenance of the figures."""
    from lexel.evaluation.reports.text_report import describe_made
    from lexel.evaluation.scores.provenance import describe_data

    what: Literal["classes", "answers"] = "classes" if task == "classify" else "answers"
    command = shlex.join(["lexel", *sys.argv[1:]])
    data = describe_data(gold.path, format=what, faults=gold.faults)
    return describe_made(reader.flow, data, what=what, sampling=sampling, command=command)


def _report(results: TextResults, measure: MeasureOptions, *, made: dict[str, Any], is_quiet: bool) -> None:

    from lexel.cli.terminal.console import output_console
    from lexel.evaluation.reports.text_report import show, write_json, write_page

    if measure.out is not None:
        write_json(results, measure.out, made=made)
    if measure.html is not None:
        write_page(results, measure.html, made=made)
    if not is_quiet:
        show(results, output_console(width=100), made=made)

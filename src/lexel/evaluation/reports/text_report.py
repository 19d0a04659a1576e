"""The report for classes or answers in the terminal, as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from lexel.data.files import Target, open_output
from lexel.evaluation.reports import plots
from lexel.evaluation.reports.layout import (
    Column,
    Control,
    Figure,
    FilteredList,
    confusion_figure,
    label_table,
    write_page_file,
)
from lexel.evaluation.reports.layout import Table as PageTable
from lexel.evaluation.reports.report import FORMAT, Row, interval_of, percent
from lexel.evaluation.scores.provenance import describe_command, describe_flow
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.scores.texts import AnswerScores, ClassScores, TextResults
from lexel.metrics.scores import Estimate, SpanScore
from lexel.tasks.base import Flow

_HEAD = ("", "score", "95 %", "precision", "recall", "gold", "predicted", "correct")
_COLUMNS = (
    Column("text", 2, "note", searched=True),
    Column("kind", 1, "note"),
    Column("in the text", 3, "context", searched=True),
    Column("gold", 6, "gold", searched=True),
    Column("predicted", 7, "predicted", searched=True),
)
_CONTROLS = (
    Control("layer", "is", 0),
    Control("kind", "is", 1),
    Control("gold", "holds", 6),
    Control("predicted", "holds", 7),
    Control("search", "any", width=16),
    Control("longest", "most", 8, width=6, hint="characters"),
)
"""A row holds a ``Mistake``'s fields in order."""


def score_rows(results: TextResults) -> Iterator[Row]:
    """The scores, one row each: name, score, interval, and counts if there are any."""
    if results.classes is not None:
        yield from _class_rows(results.classes)
    if results.answers is not None:
        yield from _answer_rows(results.answers)


def _class_rows(scores: ClassScores) -> Iterator[Row]:
    for name, score in (("accuracy", scores.accuracy), ("Matthews' correlation", scores.matthews)):
        if score is not None:
            yield _row(name, score)
    if scores.micro is not None and scores.macro is not None:
        yield _span_row("F1, micro", scores.micro)
        precision, recall, f1 = scores.macro
        yield (
            "F1, macro",
            percent(f1.value),
            interval_of(f1),
            percent(precision.value),
            percent(recall.value),
            "",
            "",
            "",
        )
    for label, each in scores.by_label.items():
        yield _span_row(f"F1, {label}", each)
    for name, score in (("Pearson's correlation", scores.pearson), ("Spearman's correlation", scores.spearman)):
        if score is not None:
            yield _row(name, score)


def _answer_rows(scores: AnswerScores) -> Iterator[Row]:
    yield _row("exact match", scores.exact)
    yield _row("F1", scores.f1)
    if scores.answerable is not None and scores.unanswerable is not None:
        exact, f1 = scores.answerable
        yield _row("exact match, answerable", exact)
        yield _row("F1, answerable", f1)
        yield _row("left unanswered, rightly", scores.unanswerable)


def _row(name: str, score: Estimate) -> Row:
    return name, percent(score.value), interval_of(score), "", "", "", "", ""


def _span_row(name: str, score: SpanScore) -> Row:
    rates = (
        percent(score.f1.value),
        interval_of(score.f1),
        percent(score.precision.value),
        percent(score.recall.value),
    )
    return name, *rates, f"{score.n_gold:,}", f"{score.n_predicted:,}", f"{score.n_correct:,}"


def remarks(results: TextResults) -> Iterator[str]:
    """Rule, calibration, loss and notes, one line each."""
    if results.answers is not None:
        rule = {"words": "SQuAD's rule, over words", "chars": "CMRC 2018's rule, over characters"}[results.answers.rule]
        yield f"answers: {rule}; {results.answers.n_answerable:,} of {results.n_documents:,} questions have one"
        if results.answers.best_threshold is not None:
            threshold, f1 = results.answers.best_threshold
            yield f"best threshold on this data: --null-threshold {threshold:.4g} gives F1 {percent(f1)}"
    if results.classes is not None and results.classes.reliability is not None:
        error = percent(results.classes.reliability.expected_error)
        yield f"calibration error: {error} (mean gap of score and share right)"
    if results.classes is not None and (loss := results.classes.loss) is not None:
        yield f"loss: {loss.loss.value:.4f} nats over {loss.n_items:,} texts"
    yield from (f"note: {note}" for note in results.notes)


def show(results: TextResults, console: Console, *, made: Mapping[str, Any]) -> None:
    """Draw a report in a terminal."""
    for line in _heading(results, made):
        console.print(line, style="dim", highlight=False, markup=False)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    rows = list(score_rows(results))
    used = [i for i, _ in enumerate(_HEAD) if i == 0 or any(row[i] for row in rows)]
    for i in used:
        drawn.add_column(_HEAD[i], justify="right" if i else "left", no_wrap=bool(i))
    for row in rows:
        drawn.add_row(*(row[i] for i in used))
    console.print(drawn)
    for line in remarks(results):
        console.print(line, highlight=False, markup=False)


def _heading(results: TextResults, made: Mapping[str, Any]) -> Iterator[str]:
    for model in made["models"]:
        revision = f" at {model['commit']}" if model["commit"] else ""
        yield f"model: {model['name']}{revision}; {model['engine']} {model['precision']}, {model['device']}"
    data = made["data"]
    what = "texts" if results.answers is None else "questions"
    yield f"data: {data['file']}: {results.n_documents:,} {what}, {results.n_chars:,} characters"
    yield f"sha256: {data['sha256']}"


def describe_made(
    flow: Flow, data: Mapping[str, Any], *, what: Literal["classes", "answers"], sampling: Sampling, command: str
) -> dict[str, Any]:
    """The provenance of the figures.

    Args:
        flow: The flow that read the texts.
        data: The description of the file, from ``describe_data``.
        what: The scored task.
        sampling: How intervals were computed.
        command: The command line.
    """
    return {
        **describe_command(command),
        "data": dict(data),
        "models": [describe_flow(flow, layers=[what])],
        "options": {"n_samples": sampling.n_samples, "seed": sampling.seed},
    }


def as_json(results: TextResults, *, made: Mapping[str, Any]) -> dict[str, Any]:
    """A report as JSON values; for mistakes, only their number."""
    values = asdict(results)
    del values["mistakes"]
    return {"format": FORMAT, **made, "results": values}


def write_json(results: TextResults, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a report as JSON.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        output.write(json.dumps(as_json(results, made=made), indent=2) + "\n")


def write_page(results: TextResults, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a report as a self-contained HTML page.

    Raises:
        DataError: If the file cannot be written.
    """
    name = ", ".join(model["name"] for model in made["models"])
    figures = list(_figures(results))
    write_page_file(
        out,
        "report.html",
        title=f"{name} on {made['data']['file']}",
        subtitle=f"{results.n_documents:,} texts, {results.n_chars:,} characters, {made['when']}",
        scores=PageTable(_HEAD, list(score_rows(results))),
        remarks=remarks(results),
        layers=[{"name": "classes", "title": "Classes", "rules": (), "figures": figures}] if figures else [],
        list_title="Mistakes",
        list=_mistakes(results),
        made=made,
    )


def _figures(results: TextResults) -> Iterator[Figure]:
    scores = results.classes
    if scores is None or not scores.by_label:
        return
    bars = [(label, (("F1", score.f1),), score.n_gold) for label, score in scores.by_label.items()]
    yield Figure("F1 of each class (gold texts)", plots.bar_chart(bars))
    yield label_table(scores.by_label)
    if scores.confusion is not None:
        yield confusion_figure("Gold class (row) and predicted class (column)", scores.confusion, layer="classes")
    if scores.reliability is not None:
        caption = f"Share right at each score (calibration error {percent(scores.reliability.expected_error)})"
        yield Figure(caption, plots.reliability_plot(scores.reliability, of="classes"))


def _mistakes(results: TextResults) -> FilteredList:
    kept = len(results.mistakes)
    cut = "" if kept == results.n_mistakes else f"; the page holds the first {kept:,}"
    rows = [astuple(mistake) for mistake in results.mistakes]
    about = f"{results.n_mistakes:,} in all{cut}. Search (key /) looks at text, gold and predicted."
    return FilteredList(rows, _COLUMNS, _CONTROLS, about)

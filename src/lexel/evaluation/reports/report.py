"""A report in the terminal and as JSON; the page is in ``page``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from lexel.data.files import Target, open_output
from lexel.evaluation.scores.results import (
    EntityResult,
    LossResult,
    NestedResult,
    PosResult,
    Report,
    Results,
    RuleScore,
    WordResult,
)
from lexel.metrics.calibration import Reliability
from lexel.metrics.scores import Estimate, SpanScore

FORMAT = 1
Row = tuple[str, ...]


def write_json(report: Report, out: Target) -> None:
    """Write a report as JSON: all figures and their provenance; for mistakes, only their number.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        output.write(json.dumps(as_json(report), indent=2) + "\n")


def as_json(report: Report) -> dict[str, Any]:
    """A report as JSON values."""
    results = asdict(replace(report.results, mistakes=[]))
    del results["mistakes"]
    return {"format": FORMAT, **report.made, "results": results}


def show(report: Report, console: Console) -> None:
    """Draw a report in a terminal."""
    results = report.results
    for line in heading(report):
        console.print(line, style="dim", highlight=False, markup=False)
    table = _table("", "precision", "recall", "F1", "95 %", "gold", "predicted", "correct")
    for row in score_rows(results):
        table.add_row(*row)
    console.print(table)
    if results.entities is not None:
        _show_types(results.entities, console)
    if results.nested is not None:
        _show_nested_types(results.nested, console)
    for line in remarks(results):
        console.print(line, highlight=False, markup=False)


def heading(report: Report) -> Iterator[str]:
    """The model and the data, in a few lines."""
    results, made = report.results, report.made
    for model in made["models"]:
        revision = f" at {model['commit']}" if model["commit"] else ""
        computed = f"{model['engine']} {model['precision']}, {model['device']}"
        yield f"model: {model['name']}{revision} ({', '.join(model['layers'])}); {computed}"
    data = made["data"]
    yield f"data: {data['file']}: {results.n_documents:,} documents, {results.n_chars:,} characters"
    yield f"sha256: {data['sha256']}"
    if "fold" in data:
        yield f"gold tags folded by {data['fold']}"


def score_rows(results: Results) -> Iterator[Row]:
    """The scores, one row each: name, precision, recall, F1, interval, gold, predicted, correct."""
    if results.words is not None:
        yield from _word_rows(results.words)
    if results.pos is not None:
        yield from _pos_rows(results.pos)
    if results.entities is not None:
        for rule in (results.entities.strict, results.entities.lenient):
            yield from _rule_rows(rule)
    if results.nested is not None:
        yield from _rule_rows(results.nested.spans, of="nested entities")


def remarks(results: Results) -> Iterator[str]:
    """Calibration, losses, layers without scores, and notes, one line each."""
    for layer, reliability in reliabilities(results):
        yield f"calibration error of {layer}: {percent(reliability.expected_error)} (mean gap of score and share right)"
    for name, loss in results.losses.items():
        yield f"loss of {name}: {loss.loss.value:.4f} nats{_loss_interval(loss)} over {loss.n_items:,} {loss.unit}"
    for layer, why in results.absent.items():
        yield f"{layer}: not scored; {why}"
    yield from (f"note: {note}" for note in results.notes)


def reliabilities(results: Results) -> list[tuple[str, Reliability]]:
    """The layers with a reliability."""
    layers = {"words": results.words, "pos": results.pos, "entities": results.entities, "nested": results.nested}
    return [(name, layer.reliability) for name, layer in layers.items() if layer and layer.reliability]


def percent(value: float) -> str:
    """A share in per cent, without the sign: ``92.35``."""
    return f"{100 * value:.2f}"


def interval_of(estimate: Estimate) -> str:
    """``91.80-92.90``, or nothing."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{percent(estimate.low)}-{percent(estimate.high)}"


def _loss_interval(result: LossResult) -> str:
    low, high = result.loss.low, result.loss.high
    return "" if low is None or high is None else f" ({low:.4f}-{high:.4f})"


def _word_rows(result: WordResult) -> Iterator[Row]:
    yield _span_row("words", result.words)
    yield _span_row("words, as CoNLL 2018 tokens", result.tokens)
    recalls = (("in", result.known_recall, result.n_known), ("out of", result.oov_recall, result.n_oov))
    for where, recall, n_gold in recalls:
        if recall is not None:
            yield f"words {where} vocabulary", "", percent(recall.value), "", interval_of(recall), f"{n_gold:,}", "", ""


def _pos_rows(result: PosResult) -> Iterator[Row]:
    yield _span_row("words and pos", result.words_and_tags)
    accuracy = result.accuracy
    yield "pos, accuracy on found words", percent(accuracy.value), "", "", interval_of(accuracy), "", "", ""


def _rule_rows(rule: RuleScore, *, of: str = "entities") -> Iterator[Row]:
    name = f"{of}, {rule.rule}"
    yield _span_row(f"{name}, micro", rule.micro)
    macro = (rule.macro_precision, rule.macro_recall, rule.macro_f1)
    yield f"{name}, macro", *(percent(each.value) for each in macro), interval_of(macro[2]), "", "", ""


def _span_row(name: str, score: SpanScore) -> Row:
    rates = [percent(rate.value) for rate in (score.precision, score.recall, score.f1)]
    counts = [f"{count:,}" for count in (score.n_gold, score.n_predicted, score.n_correct)]
    return name, *rates, interval_of(score.f1), *counts


def _show_nested_types(result: NestedResult, console: Console) -> None:
    table = _table("nested entities", "F1", "95 %", "gold", "predicted")
    for label, score in result.spans.by_label.items():
        counts = f"{score.n_gold:,}", f"{score.n_predicted:,}"
        table.add_row(label, percent(score.f1.value), interval_of(score.f1), *counts)
    console.print(table)


def _show_types(result: EntityResult, console: Console) -> None:
    table = _table("entities", "strict F1", "95 %", "lenient F1", "95 %", "gold", "predicted")
    for label, lenient in result.lenient.by_label.items():
        strict = result.strict.by_label.get(label)
        cells = ("", "") if strict is None else (percent(strict.f1.value), interval_of(strict.f1))
        found = f"{lenient.n_predicted:,}"
        table.add_row(label, *cells, percent(lenient.f1.value), interval_of(lenient.f1), f"{lenient.n_gold:,}", found)
    console.print(table)


def _table(first: str, *others: str) -> Table:
    table = Table(first, box=None, pad_edge=False, header_style="bold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table

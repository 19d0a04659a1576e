"""A report as one self-contained page: scores, plots, and a list of mistakes with filters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, field

from lexel.data.files import Target
from lexel.evaluation.reports import plots
from lexel.evaluation.reports.layout import (
    SPAN_COLUMNS,
    Column,
    Control,
    Figure,
    FilteredList,
    Table,
    confusion_figure,
    label_table,
    write_page_file,
)
from lexel.evaluation.reports.report import percent, remarks, score_rows
from lexel.evaluation.scores.results import (
    EntityResult,
    LengthScore,
    NestedResult,
    PosResult,
    Report,
    Results,
    WordResult,
)

_COLUMNS = (
    Column("document", 2, "note", searched=True),
    Column("layer", 0, "note"),
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


@dataclass(frozen=True, slots=True)
class _LayerView:
    """A section of the page about one layer."""

    name: str
    title: str
    figures: list[Figure]
    rules: list[str] = field(default_factory=list)


def write_page(report: Report, out: Target) -> None:
    """Write a report as a self-contained HTML page.

    Raises:
        DataError: If the file cannot be written.
    """
    results, made = report.results, report.made
    name = ", ".join(dict.fromkeys(model["name"] for model in made["models"]))
    write_page_file(
        out,
        "report.html",
        title=f"{name} on {made['data']['file']}",
        subtitle=f"{results.n_documents:,} documents, {results.n_chars:,} characters, {made['when']}",
        scores=Table(("", *SPAN_COLUMNS), list(score_rows(results))),
        remarks=remarks(results),
        layers=_layers(results),
        list_title="Mistakes in context",
        list=_mistakes(results),
        made=made,
    )


def _layers(results: Results) -> Iterator[_LayerView]:
    if (words := results.words) is not None:
        yield _LayerView("words", "Words", list(_quality("words", words)))
    if (pos := results.pos) is not None:
        bars = [(label, (("F1", score.f1),), score.n_gold) for label, score in pos.by_label.items()]
        figures = [
            Figure("F1 of words with each tag (gold words)", plots.bar_chart(bars)),
            confusion_figure("Gold tag (row) and predicted tag (column)", pos.confusion, layer="pos"),
            label_table(pos.by_label),
        ]
        yield _LayerView("pos", "Part-of-speech tags", [*figures, *_quality("pos", pos)])
    if (entities := results.entities) is not None:
        rules = [f"{rule.rule}: {rule.description}" for rule in (entities.strict, entities.lenient)]
        figures = [*_entity_figures(entities), *_quality("entities", entities)]
        yield _LayerView("entities", "Entities", figures, rules)
    if (nested := results.nested) is not None:
        by_label = nested.spans.by_label
        bars = [(label, (("F1", score.f1),), score.n_gold) for label, score in by_label.items()]
        figures = [Figure("F1 of each type (gold entities)", plots.bar_chart(bars)), label_table(by_label)]
        rules = [f"{nested.spans.rule}: {nested.spans.description}"]
        yield _LayerView("nested", "Nested entities", [*figures, *_quality("nested", nested)], rules)


def _entity_figures(result: EntityResult) -> Iterator[Figure]:
    strict, lenient = result.strict, result.lenient
    bars = [
        (label, (("strict", strict.by_label.get(label, score).f1), ("lenient", score.f1)), score.n_gold)
        for label, score in lenient.by_label.items()
    ]
    yield Figure("F1 of each type: strict / lenient (gold entities)", plots.bar_chart(bars))
    caption = "Gold type (row) and predicted type (column), same bounds"
    yield confusion_figure(caption, result.confusion, layer="entities")
    yield label_table(strict.by_label, title="Each type by the strict rule")
    yield label_table(lenient.by_label, title="Each type by the lenient rule")


def _quality(name: str, result: WordResult | PosResult | EntityResult | NestedResult) -> Iterator[Figure]:
    """F1 by length, and the reliability of scores."""
    if result.by_length:
        columns = [(_range(score), score.f1, score.n_documents) for score in result.by_length]
        yield Figure("F1 by length", plots.column_chart(columns, unit="characters of the document"))
    if result.reliability is not None:
        caption = f"Share right at each score (calibration error {percent(result.reliability.expected_error)})"
        yield Figure(caption, plots.reliability_plot(result.reliability, of=name))


def _range(score: LengthScore) -> str:
    return f"{score.low}+" if score.high is None else f"{score.low}-{score.high}"


def _mistakes(results: Results) -> FilteredList:
    total = sum(results.n_mistakes.values())
    by_layer = ", ".join(f"{layer} {n:,}" for layer, n in results.n_mistakes.items() if n)
    n_kept = len(results.mistakes)
    cut = "" if n_kept == total else f"; the page holds the first {n_kept:,}"
    about = f"{total:,} in all ({by_layer}){cut}. Search (key /) looks at text, gold, predicted and document."
    return FilteredList([astuple(mistake) for mistake in results.mistakes], _COLUMNS, _CONTROLS, about)

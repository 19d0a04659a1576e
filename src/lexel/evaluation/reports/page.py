"""A report as one self-contained page: scores, plots, and every kept mistake in its context, to be filtered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from html import escape

from lexel.data.files import Target, open_output
from lexel.evaluation.reports import plots
from lexel.evaluation.reports.markup import (
    Column,
    Control,
    definitions,
    figure,
    filtered_list,
    lines,
    page,
    section,
    table,
    wide,
)
from lexel.evaluation.reports.report import interval_of, percent, remarks, score_rows
from lexel.evaluation.scores.results import EntityResult, LengthScore, Report, Results
from lexel.metrics.calibration import Reliability
from lexel.metrics.scores import SpanScore
from lexel.metrics.tags import Confusion

_TITLES = {"words": "Words", "pos": "Part-of-speech tags", "entities": "Entities"}
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
"""A row is a ``Mistake``'s fields in order."""

_SPANS = ("precision", "recall", "F1", "95 %", "gold", "predicted", "correct")


def write_page(report: Report, out: Target) -> None:
    """Write a report as an HTML page that needs nothing else.

    Raises:
        DataError: If the file cannot be written.
    """
    results, made = report.results, report.made
    name = ", ".join(dict.fromkeys(model["name"] for model in made["models"]))
    said = f"{results.n_documents:,} documents, {results.n_chars:,} characters, {made['when']}"
    body = [_scores(results), *_layers(results), _mistakes(results), section("How it was made", definitions(made))]
    with open_output(out) as output:
        output.write(page(title=f"{name} on {made['data']['file']}", subtitle=said, body=body))


def _scores(results: Results) -> str:
    return section("Scores", table(("", *_SPANS), score_rows(results)), lines(remarks(results)))


def _layers(results: Results) -> Iterator[str]:
    if (words := results.words) is not None:
        yield _layer("words", [], words.reliability, by_length=words.by_length)
    if (pos := results.pos) is not None:
        bars = [(label, (("F1", score.f1),), score.n_gold) for label, score in pos.by_label.items()]
        figures = [
            figure("F1 of words with each tag (gold words)", plots.bar_chart(bars)),
            figure("Gold tag (row) and predicted tag (column)", confusion_table(pos.confusion, "pos")),
            by_label_table(pos.by_label),
        ]
        yield _layer("pos", figures, pos.reliability, by_length=pos.by_length)
    if (entities := results.entities) is not None:
        yield _layer("entities", _entity_figures(entities), entities.reliability, by_length=entities.by_length)


def _entity_figures(result: EntityResult) -> list[str]:
    strict, lenient = result.strict, result.lenient
    bars = [
        (label, (("strict", strict.by_label.get(label, score).f1), ("lenient", score.f1)), score.n_gold)
        for label, score in lenient.by_label.items()
    ]
    return [
        lines(f"{rule.rule}: {rule.description}" for rule in (strict, lenient)),
        figure("F1 of each type: strict / lenient (gold entities)", plots.bar_chart(bars)),
        figure(
            "Gold type (row) and predicted type (column), same bounds", confusion_table(result.confusion, "entities")
        ),
        by_label_table(strict.by_label, title="Each type by the strict rule"),
        by_label_table(lenient.by_label, title="Each type by the lenient rule"),
    ]


def _layer(
    name: str, figures: Sequence[str], reliability: Reliability | None, *, by_length: Sequence[LengthScore]
) -> str:
    shown = list(figures)
    if by_length:
        columns = [(_range(score), score.f1, score.n_documents) for score in by_length]
        shown.append(figure("F1 by length", plots.column_chart(columns, unit="characters of the document")))
    if reliability is not None:
        plot = plots.reliability_plot(reliability, of=name)
        shown.append(figure(f"Share right over score: error {percent(reliability.expected_error)}", plot))
    return section(_TITLES[name], f'<div class="figures">{"".join(shown)}</div>', name=name)


def _range(score: LengthScore) -> str:
    return f"{score.low}+" if score.high is None else f"{score.low}-{score.high}"


def by_label_table(by_label: Mapping[str, SpanScore], *, title: str = "Each label") -> str:
    """The scores of each label, folded away under a title."""
    rows = [
        (
            label,
            *(percent(rate.value) for rate in (score.precision, score.recall, score.f1)),
            interval_of(score.f1),
            *(f"{count:,}" for count in (score.n_gold, score.n_predicted, score.n_correct)),
        )
        for label, score in by_label.items()
    ]
    return f"<details><summary>{escape(title)}</summary>{table(('', *_SPANS), rows)}</details>\n"


def confusion_table(confusion: Confusion, layer: str) -> str:
    """A confusion as a table, tinted by the share of the row; a click shows the mistakes of a cell."""
    names = [*confusion.labels, "not found"]
    top = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows = []
    for i, counts in enumerate(confusion.counts):
        total = sum(counts) or 1
        cells = [_cell(count, count / total, names, (i, j), layer) for j, count in enumerate(counts)]
        rows.append(f"<tr><th>{escape('not in gold' if i == len(names) - 1 else names[i])}</th>{''.join(cells)}</tr>\n")
    return wide("matrix", f"<tr><td></td>{top}</tr>", "".join(rows))


def _cell(count: int, share: float, names: Sequence[str], at: tuple[int, int], layer: str) -> str:
    row, column = at
    last = len(names) - 1
    if not count:
        return "<td></td>"
    kind = "right" if row == column else "wrong"
    can_be_shown = row != column and last not in at
    pair = f'data-gold="={escape(names[row])}" data-predicted="={escape(names[column])}"'
    link = f' data-layer="{layer}" {pair} tabindex="0" role="button"' if can_be_shown else ""
    return f'<td class="{kind}" style="--share:{share:.3f}"{link} title="{100 * share:.1f} % of the row">{count:,}</td>'


def _mistakes(results: Results) -> str:
    total = sum(results.n_mistakes.values())
    by_layer = ", ".join(f"{layer} {n:,}" for layer, n in results.n_mistakes.items() if n)
    n_kept = len(results.mistakes)
    cut = "" if n_kept == total else f"; the page holds the first {n_kept:,}"
    about = f"{total:,} in all ({by_layer}){cut}. Search (key /) looks at text, gold, predicted and document."
    rows = [astuple(mistake) for mistake in results.mistakes]
    return section("Mistakes in context", filtered_list(rows, columns=_COLUMNS, controls=_CONTROLS, about=about))

"""A report as one self-contained page: scores, plots, and every kept mistake in its context, to be filtered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from html import escape
from importlib import resources
from typing import Any

from lexel.data.files import Target, open_output
from lexel.evaluation import plots
from lexel.evaluation.report import interval_of, percent, remarks, score_rows
from lexel.evaluation.results import EntityResult, LengthScore, Report, Results
from lexel.metrics.calibration import Reliability
from lexel.metrics.scores import SpanScore
from lexel.metrics.tags import Confusion

_SURROGATES = re.compile("[\ud800-\udfff]")
_TITLES = {"words": "Words", "pos": "Part-of-speech tags", "entities": "Entities"}
_SPANS = ("precision", "recall", "F1", "95 %", "gold", "predicted", "correct")


def write_page(report: Report, out: Target) -> None:
    """Write a report as an HTML page that needs nothing else.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        output.write(_SURROGATES.sub("\ufffd", "".join(_page(report))))


def _page(report: Report) -> Iterator[str]:
    results, made = report.results, report.made
    here = resources.files("lexel.evaluation")
    name = ", ".join(dict.fromkeys(model["name"] for model in made["models"]))
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(name)} on {escape(made['data']['file'])}</title>\n"
    yield f"<style>\n{here.joinpath('page.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
    yield f"<header><h1>{escape(name)}</h1><p>on {escape(made['data']['file'])}: {results.n_documents:,} documents, "
    yield f"{results.n_chars:,} characters, {escape(made['when'])}</p></header>\n<main>\n"
    yield _scores(results)
    yield from _layers(results)
    yield _mistakes(results)
    yield f"<section><h2>How it was made</h2>\n{_definitions(made)}</section>\n</main>\n"
    yield f"<script>\n{here.joinpath('page.js').read_text(encoding='utf-8')}</script>\n</body>\n</html>\n"


def _scores(results: Results) -> str:
    rows = [(escape(row[0]), *map(escape, row[1:])) for row in score_rows(results)]
    said = "".join(f"<li>{escape(line)}</li>" for line in remarks(results))
    return f"<section><h2>Scores</h2>\n{_table(('', *_SPANS), rows)}<ul>{said}</ul></section>\n"


def _layers(results: Results) -> Iterator[str]:
    if (words := results.words) is not None:
        yield _layer("words", [], words.reliability, by_length=words.by_length)
    if (pos := results.pos) is not None:
        bars = [(label, (("F1", score.f1),), score.n_gold) for label, score in pos.by_label.items()]
        figures = [
            _figure("F1 of words with each tag (gold words)", plots.bar_chart(bars)),
            _figure("Gold tag (row) and predicted tag (column)", _matrix(pos.confusion, "pos")),
            _by_label_table(pos.by_label),
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
    rules = "".join(f"<li>{escape(rule.rule)}: {escape(rule.description)}</li>" for rule in (strict, lenient))
    return [
        f"<ul>{rules}</ul>",
        _figure("F1 of each type: strict / lenient (gold entities)", plots.bar_chart(bars)),
        _figure("Gold type (row) and predicted type (column), same bounds", _matrix(result.confusion, "entities")),
        _by_label_table(strict.by_label, title="Each type by the strict rule"),
        _by_label_table(lenient.by_label, title="Each type by the lenient rule"),
    ]


def _layer(
    name: str, figures: Sequence[str], reliability: Reliability | None, *, by_length: Sequence[LengthScore]
) -> str:
    shown = list(figures)
    if by_length:
        columns = [(_range(score), score.f1, score.n_documents) for score in by_length]
        shown.append(_figure("F1 by length", plots.column_chart(columns, unit="characters of the document")))
    if reliability is not None:
        plot = plots.reliability_plot(reliability, of=name)
        shown.append(_figure(f"Share right over score: error {percent(reliability.expected_error)}", plot))
    return f'<section id="{name}"><h2>{_TITLES[name]}</h2>\n<div class="figures">{"".join(shown)}</div></section>\n'


def _range(score: LengthScore) -> str:
    return f"{score.low}+" if score.high is None else f"{score.low}-{score.high}"


def _figure(caption: str, body: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{body}</figure>\n"


def _by_label_table(by_label: Mapping[str, SpanScore], *, title: str = "Each tag") -> str:
    rows = [
        (
            escape(label),
            *(percent(rate.value) for rate in (score.precision, score.recall, score.f1)),
            interval_of(score.f1),
            *(f"{count:,}" for count in (score.n_gold, score.n_predicted, score.n_correct)),
        )
        for label, score in by_label.items()
    ]
    return f"<details><summary>{escape(title)}</summary>{_table(('', *_SPANS), rows)}</details>\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the cells of ``rows`` are HTML."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr><th>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>\n" for row in rows)
    return _wide("numbers", f"<tr>{top}</tr>", body)


def _wide(kind: str, head: str, body: str) -> str:
    """A table that scrolls by itself where the window is narrow."""
    return f'<div class="wide"><table class="{kind}"><thead>{head}</thead>\n<tbody>\n{body}</tbody></table></div>\n'


def _matrix(confusion: Confusion, layer: str) -> str:
    """A confusion as a table, tinted by the share of the row; a click shows the mistakes of a cell."""
    names = [*confusion.labels, "not found"]
    top = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows = []
    for i, counts in enumerate(confusion.counts):
        total = sum(counts) or 1
        cells = [_cell(count, count / total, names, (i, j), layer) for j, count in enumerate(counts)]
        rows.append(f"<tr><th>{escape('not in gold' if i == len(names) - 1 else names[i])}</th>{''.join(cells)}</tr>\n")
    return _wide("matrix", f"<tr><td></td>{top}</tr>", "".join(rows))


def _cell(count: int, share: float, names: Sequence[str], at: tuple[int, int], layer: str) -> str:
    row, column = at
    last = len(names) - 1
    if not count:
        return "<td></td>"
    kind = "right" if row == column else "wrong"
    can_be_shown = row != column and last not in at
    pair = f'data-gold="{escape(names[row])}" data-predicted="{escape(names[column])}"'
    link = f' data-layer="{layer}" {pair}' if can_be_shown else ""
    return f'<td class="{kind}" style="--share:{share:.3f}"{link} title="{100 * share:.1f} % of the row">{count:,}</td>'


def _mistakes(results: Results) -> str:
    rows = [astuple(mistake) for mistake in results.mistakes]
    data = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    total = sum(results.n_mistakes.values())
    shown = ", ".join(f"{layer} {n:,}" for layer, n in results.n_mistakes.items() if n)
    cut = "" if len(rows) == total else f"; the page holds the first {len(rows):,}"
    return f"""<section id="mistakes"><h2>Mistakes in context</h2>
<p>{total:,} in all ({escape(shown)}){cut}. Search looks at text, gold, predicted and document.</p>
<form id="filter"><label>layer <select name="layer"><option value="">all</option></select></label>
<label>kind <select name="kind"><option value="">all</option></select></label>
<label>gold <input name="gold" size="10"></label> <label>predicted <input name="predicted" size="10"></label>
<label>search <input name="text" type="search"></label>
<label>longest <input name="longest" type="number" min="1" size="6" placeholder="characters"></label>
<button type="reset">clear</button> <output></output></form>
<div class="wide"><table class="mistakes"><thead><tr><th>document</th><th>layer</th><th>kind</th><th>in the text</th>
<th>gold</th><th>predicted</th></tr></thead><tbody></tbody></table></div>
<button id="more" type="button">show more</button>
<script type="application/json" id="data">{data}</script></section>
"""


def _definitions(made: Mapping[str, Any]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{_value(value)}</dd>\n" for name, value in made.items() if value)
    return f"<dl>{rows}</dl>\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _definitions(value)
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return "".join(map(_value, value))
    return escape(", ".join(map(str, value)) if isinstance(value, list) else str(value))

"""A comparison in the terminal and as JSON; the page is in ``comparison_page``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from lexel.data.files import Target, open_output
from lexel.evaluation.compare.results import Comparison, Contrast, DataResult
from lexel.evaluation.reports.report import interval_of, percent
from lexel.metrics.scores import Estimate

FORMAT = 1
SIGNIFICANT = 0.05
MOST_EXAMPLES = 100
"""Maximum number of examples per data set, layer and model in the JSON."""

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: a title, column heads and rows; line feeds in cells are kept."""

    title: str
    head: Row
    rows: list[Row]


def grids(comparison: Comparison) -> Iterator[Grid]:
    """Everything except the texts, as tables: scores, differences, costs of the models, and how often they differ."""
    yield from _score_grids(comparison)
    contrasts = _contrast_rows(comparison)
    if contrasts:
        against = comparison.models[comparison.reference].facts.name
        columns = ("score", "data", "model", "difference", "95 %", "p bootstrap", "p McNemar", "")
        yield Grid(f"Difference from {against}", columns, contrasts)
    yield Grid("Cost", _COST_HEAD, [_cost_row(comparison, i) for i in range(len(comparison.models))])
    flips = _flip_rows(comparison)
    if flips:
        head = ("first", "second", "data", "layer", "first right", "second right", "both wrong", "no gold", "most")
        yield Grid("Where they disagree", head, flips)


def _score_grids(comparison: Comparison) -> Iterator[Grid]:
    """For one data set, models by scores; for several, one table per score: models by data sets, and the mean."""
    if len(comparison.data) == 1:
        (found,) = comparison.data
        head = ("", *found.scores)
        yield Grid(
            f"Scores on {found.name}",
            head,
            [_scored(comparison, i, found.scores.values()) for i in range(len(comparison.models))],
        )
        return
    names = dict.fromkeys(name for found in comparison.data for name in found.scores)
    for name in names:
        here = [found for found in comparison.data if name in found.scores]
        columns = [found.scores[name] for found in here]
        heads = [found.name for found in here]
        if name in comparison.means:
            columns.append(comparison.means[name])
            heads.append("mean")
        rows = [_scored(comparison, i, columns) for i in range(len(comparison.models))]
        yield Grid(name, ("", *heads), rows)


def _scored(comparison: Comparison, model: int, columns: Any) -> Row:
    return comparison.models[model].facts.name, *(_said(column[model]) for column in columns)


def _said(score: Estimate | None) -> str:
    if score is None:
        return "no head"
    return "\n".join(part for part in (percent(score.value), interval_of(score)) if part)


def _contrast_rows(comparison: Comparison) -> list[Row]:
    return [
        (
            contrast.score,
            found.name,
            comparison.models[contrast.model].facts.name,
            f"{100 * contrast.value:+.2f}",
            ""
            if contrast.low is None or contrast.high is None
            else f"{100 * contrast.low:+.2f} to {100 * contrast.high:+.2f}",
            _p(contrast.p_bootstrap),
            _p(contrast.p_mcnemar),
            verdict(contrast),
        )
        for found in comparison.data
        for contrast in found.contrasts
    ]


def verdict(contrast: Contrast) -> str:
    """The verdict on a difference at the 5 % level: ``better``, ``worse``, or nothing if it is not significant."""
    p = contrast.p_mcnemar if contrast.p_bootstrap is None else contrast.p_bootstrap
    if p >= SIGNIFICANT:
        return "not shown"
    return "better" if contrast.value > 0 else "worse"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


_COST_HEAD = ("", "chars/s", "peak memory", "on disk", "parameters", "licence", "computed by")


def _cost_row(comparison: Comparison, model: int) -> Row:
    compared = comparison.models[model]
    facts, speed = compared.facts, compared.speed
    rate = "" if speed is None else f"{speed.median:,.0f}\n{speed.low:,.0f}-{speed.high:,.0f}"
    described = facts.described
    return (
        facts.name,
        rate or "not measured",
        "not known" if compared.peak_bytes is None else f"{compared.peak_bytes / 1e6:,.0f} MB",
        f"{facts.disk_bytes / 1e6:,.1f} MB",
        f"{facts.parameters:,}",
        facts.licence or "not stated",
        f"{described['engine']} {described['precision']}\n{described['threads']} threads",
    )


def _flip_rows(comparison: Comparison) -> list[Row]:
    verdicts = ("first right", "second right", "both wrong", "no gold")
    first = comparison.models[comparison.reference].facts.name
    return [
        (
            first,
            comparison.models[counts.model].facts.name,
            found.name,
            layer,
            *(f"{by_verdict.get(verdict, 0):,}" for verdict in verdicts),
            "; ".join(f"{change} ({n:,})" for change, n in list(counts.changes[layer].items())[:3]),
        )
        for found in comparison.data
        for counts in found.flips
        for layer, by_verdict in counts.verdicts.items()
    ]


def remarks(comparison: Comparison) -> Iterator[str]:
    """Notes for readers of the figures, one line each."""
    options = comparison.options
    if options.sampling.n_samples:
        yield (
            "scores are F1 in per cent with 95 % intervals; differences by paired bootstrap over documents "
            f"({options.sampling.n_samples:,} samples, seed {options.sampling.seed}) and by McNemar's test over "
            "the gold items found"
        )
    if len(comparison.models) > 2:
        yield f"p-values are Holm's, for {len(comparison.models) - 1} comparisons of a score"
    speed = comparison.models[0].speed
    if speed is not None:
        yield f"speed: the middle of {speed.n_rounds} rounds in turns over {speed.n_chars:,} characters"
    for found in comparison.data:
        yield from (f"{found.name}: {note}" for note in found.notes)
    for model in comparison.models:
        if model.facts.notice:
            yield f"{model.facts.name}: {model.facts.notice}"


def show(comparison: Comparison, console: Console, *, n_examples: int) -> None:
    """Draw a comparison in a terminal.

    Args:
        comparison: The comparison.
        console: The terminal.
        n_examples: Differences to show, spread over the data sets and layers.
    """
    for grid in grids(comparison):
        table = Table(title=grid.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for i, name in enumerate(grid.head):
            table.add_column(name, justify="left" if i == 0 or name in _LEFT else "right", header_style="dim")
        for row in grid.rows:
            table.add_row(*row)
        console.print(table)
        console.print()
    for line in examples(comparison, n_examples=n_examples):
        console.print(line, highlight=False, markup=False)
    for line in remarks(comparison):
        console.print(line, style="dim", highlight=False, markup=False)


_LEFT = ("first", "second", "data", "model", "layer", "most", "licence", "computed by", "")


def examples(comparison: Comparison, *, n_examples: int) -> list[str]:
    """Examples of differences, taken in turn from each model, data set and layer."""
    groups: dict[tuple[int, str, str], list[str]] = {}
    for model, flip in comparison.flips:
        right = f", gold {flip.gold or 'nothing'}" if flip.verdict != "no gold" else ""
        name = comparison.models[model].facts.name
        groups.setdefault((model, flip.data, flip.layer), []).append(
            f"{flip.data}, {flip.document}, {flip.layer}: {flip.before}[{flip.text}]{flip.after}: "
            f"{flip.first or 'nothing'}, by {name} {flip.second or 'nothing'}{right} ({flip.verdict})"
        )
    shown: list[str] = []
    depth = 0
    while len(shown) < n_examples and any(len(group) > depth for group in groups.values()):
        shown += [group[depth] for group in groups.values() if len(group) > depth]
        depth += 1
    return [line.replace("\n", " ") for line in shown[:n_examples]]


def write_json(comparison: Comparison, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a comparison as JSON: all figures, their provenance, and the first differences of each kind.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        output.write(json.dumps(as_json(comparison, made=made), indent=2) + "\n")


def as_json(comparison: Comparison, *, made: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison as JSON values; models appear by name."""
    names = [model.facts.name for model in comparison.models]
    return {
        "format": FORMAT,
        **made,
        "models": [_model(model) for model in map(asdict, comparison.models)],
        "reference": names[comparison.reference],
        "data": [_on_data(found, names) for found in comparison.data],
        "means": {score: dict(zip(names, _plain(values), strict=True)) for score, values in comparison.means.items()},
        "flips": _kept_flips(comparison, names),
    }


def _model(values: dict[str, Any]) -> dict[str, Any]:
    facts = values.pop("facts")
    return {**facts, **values}


def _on_data(found: DataResult, names: Sequence[str]) -> dict[str, Any]:
    results = []
    for name, result in zip(names, found.results, strict=True):
        values = asdict(result)
        del values["mistakes"], values["seconds"]
        results.append({"model": name, **values})
    return {
        "name": found.name,
        **found.described,
        "scores": {score: dict(zip(names, _plain(values), strict=True)) for score, values in found.scores.items()},
        "contrasts": [
            {**asdict(each), "model": names[each.model], "verdict": verdict(each)} for each in found.contrasts
        ],
        "flips": [{**asdict(each), "model": names[each.model]} for each in found.flips],
        "notes": found.notes,
        "results": results,
    }


def _plain(scores: Sequence[Estimate | None]) -> list[dict[str, Any] | None]:
    return [None if score is None else asdict(score) for score in scores]


def _kept_flips(comparison: Comparison, names: Sequence[str]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    counts: dict[tuple[int, str, str], int] = {}
    for model, flip in comparison.flips:
        key = (model, flip.data, flip.layer)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= MOST_EXAMPLES:
            kept.append({"model": names[model], **asdict(flip)})
    return kept

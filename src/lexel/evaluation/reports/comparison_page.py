"""A comparison as one self-contained page: tables, scores side by side, and every kept difference, to be filtered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from lexel.data.files import Target, open_output
from lexel.evaluation.compare.compare import Comparison
from lexel.evaluation.reports import plots
from lexel.evaluation.reports.comparison_report import grids, remarks
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
)

_COLUMNS = (
    Column("model", 0, "note"),
    Column("data", 1, "note"),
    Column("layer", 2, "note"),
    Column("document", 5, "note", searched=True),
    Column("in the text", 6, "context", searched=True),
    Column("gold", 9, "gold", searched=True),
    Column("first", 10, "first", searched=True),
    Column("second", 11, "second", searched=True),
    Column("who is right", 4, "note"),
)
_CONTROLS = (
    Control("model", "is", 0),
    Control("data", "is", 1),
    Control("layer", "is", 2),
    Control("change", "is", 3),
    Control("right", "is", 4),
    Control("first", "holds", 10, width=8),
    Control("second", "holds", 11, width=8),
    Control("search", "any", width=14),
)
"""A row is the name of the other model and a ``Flip``'s fields in order."""


def write_page(comparison: Comparison, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a comparison as an HTML page that needs nothing else.

    Raises:
        DataError: If the file cannot be written.
    """
    names = [model.facts.name for model in comparison.models]
    data = ", ".join(found.name for found in comparison.data)
    models = [dict(model.facts.described) for model in comparison.models]
    data_sets = [dict(found.described) for found in comparison.data]
    body = [
        *(section(grid.title, table(grid.head, grid.rows)) for grid in grids(comparison)),
        section(
            "Scores side by side", f'<div class="figures">{_figures(comparison)}</div>', lines(remarks(comparison))
        ),
        _flips(comparison),
        section("How it was made", definitions({**made, "models": models, "data": data_sets})),
    ]
    with open_output(out) as output:
        output.write(page(title=" and ".join(names), subtitle=f"on {data}, {made['when']}", body=body))


def _figures(comparison: Comparison) -> str:
    """For every score a bar a model and data set."""
    scores = dict.fromkeys(name for found in comparison.data for name in found.scores)
    names = [model.facts.name for model in comparison.models]
    return "".join(
        figure(
            f"{score}: {' / '.join(names)} (documents)",
            plots.bar_chart(
                [
                    (
                        found.name,
                        [(name, value) for name, value in zip(names, found.scores[score], strict=True) if value],
                        found.results[0].n_documents,
                    )
                    for found in comparison.data
                    if score in found.scores
                ],
                unit="documents",
            ),
        )
        for score in scores
    )


def _flips(comparison: Comparison) -> str:
    names = [model.facts.name for model in comparison.models]
    rows = [(names[model], *astuple(flip)) for model, flip in comparison.flips]
    total = sum(
        n
        for found in comparison.data
        for counts in found.flips
        for each in counts.verdicts.values()
        for n in each.values()
    )
    cut = "" if len(rows) == total else f"; the page holds the first {len(rows):,}"
    about = (
        f"{total:,} parts of the texts are read differently from {names[comparison.reference]} (first){cut}. "
        "Search (key /) looks at text, document and all three readings."
    )
    return section("Differences in context", filtered_list(rows, columns=_COLUMNS, controls=_CONTROLS, about=about))

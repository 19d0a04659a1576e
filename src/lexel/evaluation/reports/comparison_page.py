"""A comparison as one self-contained page: tables, scores, and a list of differences with filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple
from typing import Any

from lexel.data.files import Target
from lexel.evaluation.compare.results import Comparison
from lexel.evaluation.reports import plots
from lexel.evaluation.reports.comparison_report import grids, remarks
from lexel.evaluation.reports.layout import Column, Control, Figure, FilteredList, write_page_file

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
"""A row holds the name of the other model and a ``Flip``'s fields in order."""


def write_page(comparison: Comparison, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a comparison as a self-contained HTML page.

    Raises:
        DataError: If the file cannot be written.
    """
    names = [model.facts.name for model in comparison.models]
    data = ", ".join(found.name for found in comparison.data)
    models = [dict(model.facts.described) for model in comparison.models]
    data_sets = [dict(found.described) for found in comparison.data]
    write_page_file(
        out,
        "comparison.html",
        title=" and ".join(names),
        subtitle=f"on {data}, {made['when']}",
        tables=grids(comparison),
        figures=_figures(comparison),
        remarks=remarks(comparison),
        list_title="Differences in context",
        list=_flips(comparison),
        made={**made, "models": models, "data": data_sets},
    )


def _figures(comparison: Comparison) -> Iterator[Figure]:
    """For every score, a bar for each model and data set."""
    names = [model.facts.name for model in comparison.models]
    for score in dict.fromkeys(name for found in comparison.data for name in found.scores):
        bars = [
            (
                found.name,
                [(name, value) for name, value in zip(names, found.scores[score], strict=True) if value],
                found.results[0].n_documents,
            )
            for found in comparison.data
            if score in found.scores
        ]
        yield Figure(f"{score}: {' / '.join(names)} (documents)", plots.bar_chart(bars, unit="documents"))


def _flips(comparison: Comparison) -> FilteredList:
    names = [model.facts.name for model in comparison.models]
    rows = [(names[model], *astuple(flip)) for model, flip in comparison.flips]
    counts = [each for found in comparison.data for each in found.flips]
    total = sum(n for each in counts for by_verdict in each.verdicts.values() for n in by_verdict.values())
    cut = "" if len(rows) == total else f"; the page holds the first {len(rows):,}"
    about = (
        f"{total:,} parts of the texts where a model (second) disagrees with {names[comparison.reference]} (first)"
        f"{cut}. Search (key /) looks at text, document, gold and both models."
    )
    return FilteredList(rows, _COLUMNS, _CONTROLS, about)

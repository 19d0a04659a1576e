"""The parts of every report page: tables, figures, filtered lists, and the file.

A page is one self-contained file. Its templates (``base.html``, ``parts.html`` and one for each kind of report) are in
this folder, with the style sheet and the script that filters lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexel.data.files import Target, open_output
from lexel.evaluation.reports.report import interval_of, percent
from lexel.metrics.scores import SpanScore
from lexel.metrics.tags import Confusion
from lexel.pages import fill_template

_SURROGATES = re.compile("[\ud800-\udfff]")

SPAN_COLUMNS = ("precision", "recall", "F1", "95 %", "gold", "predicted", "correct")


@dataclass(frozen=True, slots=True)
class Control:
    """A field of the form that filters a list.

    Attributes:
        name: Its name, also shown as its label.
        how: ``is`` (a choice), ``holds`` (text in the field; ``=X`` matches only the label X), ``most`` (a number) or
            ``any`` (text in any searched field).
        field: The item of a row that it filters.
        width: Size of the input; choices have their own.
        hint: Text of an empty input.
    """

    name: str
    how: str
    field: int = 0
    width: int = 10
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a filtered list.

    Attributes:
        title: Its head.
        field: The item of a row that it shows.
        kind: Its class; ``context`` shows three items, with the middle one marked.
        searched: Whether ``any`` searches it.
    """

    title: str
    field: int
    kind: str = ""
    searched: bool = False


@dataclass(frozen=True, slots=True)
class FilteredList:
    """A list with a filter form; the page's script draws it, a hundred rows at a time.

    Attributes:
        rows: The items of each row.
        columns: The visible columns.
        controls: The fields of the filter form.
        about: The text above it.
    """

    rows: Sequence[Sequence[Any]]
    columns: Sequence[Column]
    controls: Sequence[Control]
    about: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of numbers; the first cell of a row is its name. A line feed in a cell starts a smaller second line."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """One cell of a confusion matrix.

    Attributes:
        count: The count.
        share: Its share of the row, from 0 to 1.
        kind: ``right`` on the diagonal, else ``wrong``.
        gold: The gold label; a click on the cell shows these mistakes.
        predicted: The predicted label.
        layer: The layer to filter by; empty if the list has no such mistakes.
    """

    count: int
    share: float
    kind: str
    gold: str
    predicted: str
    layer: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot or a confusion matrix with its caption, or a table that is folded under a title.

    Attributes:
        caption: What it shows.
        plot: The plot as SVG.
        confusion: Names of the columns, and rows with a name and cells.
        table: A table to fold.
    """

    caption: str
    plot: str = ""
    confusion: tuple[Sequence[str], Sequence[tuple[str, Sequence[ConfusionCell]]]] | None = None
    table: Table | None = None


def write_page_file(out: Target, template: str, *, title: str, subtitle: str, **values: Any) -> None:
    """Write a self-contained page; lone surrogates, which cannot be encoded, are replaced.

    Args:
        out: The file.
        template: The template's file name.
        title: The heading.
        subtitle: The line below it.
        values: Other values for the template.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        for piece in fill_template("lexel.evaluation.reports", template, title=title, subtitle=subtitle, **values):
            output.write(_SURROGATES.sub("\ufffd", piece))


def label_table(by_label: Mapping[str, SpanScore], *, title: str = "Each label") -> Figure:
    """The scores of each label, folded under a title."""
    return Figure(title, table=Table(("", *SPAN_COLUMNS), [_label_row(*item) for item in by_label.items()]))


def _label_row(label: str, score: SpanScore) -> tuple[str, ...]:
    rates = (percent(rate.value) for rate in (score.precision, score.recall, score.f1))
    counts = (f"{count:,}" for count in (score.n_gold, score.n_predicted, score.n_correct))
    return label, *rates, interval_of(score.f1), *counts


def confusion_figure(caption: str, confusion: Confusion, *, layer: str) -> Figure:
    """A confusion matrix as a table, coloured by the share of the row; a click on a cell shows its mistakes."""
    names = [*confusion.labels, "not found"]
    rows = []
    for i, counts in enumerate(confusion.counts):
        total = sum(counts) or 1
        cells = [_cell(count, count / total, names, (i, j), layer) for j, count in enumerate(counts)]
        rows.append(("not in gold" if i == len(names) - 1 else names[i], cells))
    return Figure(caption, confusion=(names, rows))


def _cell(count: int, share: float, names: Sequence[str], at: tuple[int, int], layer: str) -> ConfusionCell:
    row, column = at
    has_mistakes = row != column and len(names) - 1 not in at
    kind = "right" if row == column else "wrong"
    return ConfusionCell(count, share, kind, names[row], names[column], layer if has_mistakes else "")

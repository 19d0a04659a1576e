"""What every report page is made of: tables, figures, filtered lists, and the file that holds them.

A page is one file that loads nothing. Its templates (``base.html``, ``parts.html`` and one for each kind of report) lie
beside this module, with the style sheet and the script that filters lists.
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
        name: What it is called, in the form and beside it.
        how: ``is`` (a choice), ``holds`` (found in the field; ``=X`` asks for the label X), ``most`` (a number) or
            ``any`` (found anywhere).
        field: Which item of a row it looks at.
        width: Size of the input; choices find their own.
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
        field: Which item of a row it shows.
        kind: Its class; ``context`` shows three items, the middle one marked.
        searched: Whether ``any`` looks at it.
    """

    title: str
    field: int
    kind: str = ""
    searched: bool = False


@dataclass(frozen=True, slots=True)
class FilteredList:
    """A list that a form filters; the page's script draws it, a hundred rows at a time.

    Attributes:
        rows: What can be shown: for each row its items.
        columns: What is shown of a row.
        controls: What the list is filtered by.
        about: The text above it.
    """

    rows: Sequence[Sequence[Any]]
    columns: Sequence[Column]
    controls: Sequence[Control]
    about: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of numbers; the first cell of a row names it, and a line end in a cell starts a second, smaller line."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """One count of a confusion.

    Attributes:
        count: How often.
        share: Its share of the row, from 0 to 1.
        kind: ``right`` on the diagonal, else ``wrong``.
        gold: The gold label; a click on the cell shows these mistakes.
        predicted: The predicted label.
        layer: The layer to filter by; empty where the list holds no such mistakes.
    """

    count: int
    share: float
    kind: str
    gold: str
    predicted: str
    layer: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot or a confusion with its caption, or a table that is folded under a title.

    Attributes:
        caption: What it shows.
        plot: The plot as SVG.
        confusion: Names of the columns, and rows of a name and its cells.
        table: A table to fold away.
    """

    caption: str
    plot: str = ""
    confusion: tuple[Sequence[str], Sequence[tuple[str, Sequence[ConfusionCell]]]] | None = None
    table: Table | None = None


def write_page_file(out: Target, template: str, *, title: str, subtitle: str, **values: Any) -> None:
    """Write a page that needs nothing else; lone surrogates, which no file can hold, are replaced.

    Args:
        out: Where to write.
        template: The template's file name.
        title: The heading.
        subtitle: The line below it.
        values: What else the template shows.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        for piece in fill_template("lexel.evaluation.reports", template, title=title, subtitle=subtitle, **values):
            output.write(_SURROGATES.sub("\ufffd", piece))


def label_table(by_label: Mapping[str, SpanScore], *, title: str = "Each label") -> Figure:
    """The scores of each label, folded away under a title."""
    return Figure(title, table=Table(("", *SPAN_COLUMNS), [_label_row(*item) for item in by_label.items()]))


def _label_row(label: str, score: SpanScore) -> tuple[str, ...]:
    rates = (percent(rate.value) for rate in (score.precision, score.recall, score.f1))
    counts = (f"{count:,}" for count in (score.n_gold, score.n_predicted, score.n_correct))
    return label, *rates, interval_of(score.f1), *counts


def confusion_figure(caption: str, confusion: Confusion, *, layer: str) -> Figure:
    """A confusion as a table, tinted by the share of the row; a click on a cell shows its mistakes."""
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

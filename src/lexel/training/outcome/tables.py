"""The table of a training run, with a row for each evaluation, as text in columns and as Markdown.

A row has ``step``, ``epoch``, ``training_loss``, ``learning_rate``, ``validation_loss`` and figures of the heads
(``f1``, or ``words/f1`` with several heads). Columns without values are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_TITLES = {
    "training_loss": "training loss",
    "validation_loss": "validation loss",
    "learning_rate": "learning rate",
    "f1": "F1",
}
_SPARED = ("learning_rate",)
"""Columns that are left out if there is little room, because the schedule determines them."""


def columns_of(rows: Sequence[Row], *, short: bool = False) -> list[str]:
    """The columns that have a value in some row, in the order of the rows' keys.

    Args:
        rows: The table.
        short: Leave out less important columns; for several heads, keep their F1, or their accuracy without F1.
    """
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value is not None)
    if not short:
        return list(names)
    heads_with_f1 = {name.rpartition("/")[0] for name in names if name.endswith("/f1")}
    return [name for name in names if name not in _SPARED and _is_telling(name, heads_with_f1)]


def _is_telling(name: str, heads_with_f1: set[str]) -> bool:
    head, slash, metric = name.rpartition("/")
    return not slash or metric == "f1" or (metric != "loss" and head not in heads_with_f1)


def title_of(column: str) -> str:
    """The title of a column: ``validation loss``, ``words F1``."""
    head, slash, metric = column.rpartition("/")
    title = _TITLES.get(metric, metric.replace("_", " "))
    return f"{head} {title}" if slash else title


def cell(column: str, value: Any) -> str:
    """A value as text: losses and scores with four digits, steps with commas."""
    if value is None:
        return ""
    if column == "learning_rate":
        return f"{value:.2e}"
    if column == "epoch":
        return f"{value:.2f}"
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def lines_of(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """The table as lines of text, with titles first; numbers are right-aligned.

    The width of a column depends only on its title, so that lines can be printed one by one.
    """
    widths = [max(len(title_of(column)), _room(column)) for column in columns]
    titles = "  ".join(title_of(column).rjust(width) for column, width in zip(columns, widths, strict=True))
    return [titles, *(_line(row, columns, widths) for row in rows)]


def _room(column: str) -> int:
    return 8 if column == "learning_rate" else 6


def _line(row: Row, columns: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell(column, row.get(column)).rjust(width) for column, width in zip(columns, widths, strict=True))

"""The table of a run and its plot."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.training.outcome.plots import plot, ticks_of
from lexel.training.outcome.tables import columns_of, lines_of

SVG = "{http://www.w3.org/2000/svg}"
ROWS: list[dict[str, Any]] = [
    {"step": 500, "epoch": 0.5, "training_loss": 1.25, "learning_rate": 2e-5, "validation_loss": None},
    {"step": 1000, "epoch": 1.0, "training_loss": 0.5, "learning_rate": 1e-5, "validation_loss": 0.75}
    | {"words/f1": 0.9, "words/precision": 0.8, "pos/loss": 0.6, "pos/accuracy": 0.7},
]


def test_columns_are_those_that_have_a_value() -> None:
    assert columns_of(ROWS[:1]) == ["step", "epoch", "training_loss", "learning_rate"]


def test_where_there_is_little_room_a_head_has_its_f1_only() -> None:
    expected = ["step", "epoch", "training_loss", "validation_loss", "words/f1", "pos/accuracy"]
    assert columns_of(ROWS, short=True) == expected


def test_lines_stand_under_their_titles() -> None:
    lines = lines_of(ROWS, ["step", "training_loss", "validation_loss", "words/f1"])
    assert lines == [
        "  step  training loss  validation loss  words F1",
        "   500         1.2500                           ",
        " 1,000         0.5000           0.7500    0.9000",
    ]


def test_a_line_by_itself_is_as_wide_as_in_the_table() -> None:
    columns = columns_of(ROWS)
    assert lines_of(ROWS[1:], columns)[1] == lines_of(ROWS, columns)[2]


def drawn(table: list[dict[str, Any]]) -> ElementTree.Element:
    """The plot, parsed."""
    return ElementTree.fromstring(plot(table))


def test_losses_and_scores_are_drawn_with_their_values() -> None:
    titles = [title.text for title in drawn(ROWS).iter(f"{SVG}title")]
    assert titles == [
        "training loss at step 500: 1.2500",
        "training loss at step 1,000: 0.5000",
        "validation loss at step 1,000: 0.7500",
        "words F1 at step 1,000: 0.9000",
        "pos accuracy at step 1,000: 0.7000",
    ]


def test_higher_values_stand_higher() -> None:
    first, second = [float(dot.get("cy", "")) for dot in drawn(ROWS).iter(f"{SVG}circle") if dot.get("r") == "2.5"][:2]
    assert first < second


def test_the_plot_needs_nothing_else_and_knows_dark_ground() -> None:
    picture = plot(ROWS)
    assert "prefers-color-scheme:dark" in picture
    assert not re.search(r"href|url\(|@import|<script", picture)


def test_accuracy_is_drawn_where_there_is_no_f1() -> None:
    rows = [{"step": 1, "accuracy": 0.5}]
    assert [title.text for title in drawn(rows).iter(f"{SVG}title")] == ["accuracy at step 1: 0.5000"]


@pytest.mark.parametrize("table", [[], [{"step": 1, "training_loss": math.nan}], [{"step": 1, "training_loss": 0.0}]])
def test_odd_tables_are_drawn_too(table: list[dict[str, Any]]) -> None:
    picture = plot(table)
    assert drawn(table).tag == f"{SVG}svg"
    assert "nan" not in picture


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_enclose_the_range(low: float, size: float) -> None:
    ticks = ticks_of(low, low + size)
    assert 3 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    nothing = 1e-6 * max(abs(low), size, 1)
    assert ticks[0] <= low + nothing
    assert ticks[-1] >= low + size - nothing

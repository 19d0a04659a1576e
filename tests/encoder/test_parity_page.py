"""The page of families shows every model that is compared, with figures that keep what the tests demand."""

from __future__ import annotations

from lexel.encoder.families import BY_MODEL_TYPE
from tests.builders import RECIPES
from tests.encoder.parity_page import LIMITS, PAGE, figures_shown, title_of


def test_the_page_shows_every_model_that_is_compared() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = [title_of(recipe) for recipe in RECIPES]
    assert list(figures_shown(page)) == expected, "run: python -m tests.encoder.parity_page"


def test_the_figures_shown_are_within_the_limits() -> None:
    for name, values in figures_shown(PAGE.read_text(encoding="utf-8")).items():
        assert all(value <= limit for value, limit in zip(values, LIMITS, strict=True)), name


def test_the_page_names_every_model_type() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in BY_MODEL_TYPE if f"`{name}`" not in page] == []

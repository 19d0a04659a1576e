"""The page of families shows every model that is compared, with figures that keep what the tests demand."""

from __future__ import annotations

from lexel.encoder.families import BY_MODEL_TYPE
from tests.builders import RECIPES
from tests.encoder.parity_page import HEADS, LIMITS, PAGE, figures_shown, heads_shown, title_of
from tests.heads.test_bricks import CASES, RECIPE_OF


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


def test_the_page_shows_every_head_on_every_engine_in_every_precision() -> None:
    shown = heads_shown(PAGE.read_text(encoding="utf-8"))
    titles = {family: title_of(recipe) for family, recipe in RECIPE_OF.items()}
    assert list(shown) == [(titles[family], kind) for family in titles for kind in HEADS]
    measured = {(titles[family], kind) for family, kind in CASES if kind in HEADS}
    assert {head for head, values in shown.items() if len(values) == len(LIMITS)} == measured


def test_the_figures_shown_of_heads_are_within_the_limits() -> None:
    for head, (exact, *others) in ((head, values) for head, values in heads_shown(_page()).items() if values):
        assert exact <= LIMITS[0], head
        assert max(others[:2]) <= 1e-4, head
        assert max(others[2:]) <= 0.25, head


def _page() -> str:
    return PAGE.read_text(encoding="utf-8")

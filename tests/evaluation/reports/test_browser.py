"""The pages in a browser: they open, and their filters find what they should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lexel.evaluation.compare.compare import DataSet, compare
from lexel.evaluation.compare.models import LocalModel
from lexel.evaluation.compare.results import CompareOptions, Comparison
from lexel.evaluation.reports.comparison_page import write_page as write_comparison
from lexel.evaluation.reports.page import write_page
from lexel.evaluation.scores.results import Report
from lexel.evaluation.scores.tallies import Sampling
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, POS, WORDS, build_tagger, fake_tagger
from tests.evaluation.conftest import Measure, random_gold

pytestmark = pytest.mark.browser

Open = Callable[[Path], Page]
MADE = {"when": "today", "models": [{"name": "model"}], "data": {"file": "dev.jsonl"}}


@pytest.fixture
def report(measure: Measure, tmp_path: Path) -> tuple[Report, Path]:
    """A report, and its page."""
    report, path = Report(measure(random_gold(40)), MADE), tmp_path / "report.html"
    write_page(report, path)
    return report, path


@pytest.fixture
def comparison(tagger: Tagger, tmp_path: Path) -> tuple[Comparison, Path]:
    """A comparison of two models on two data sets, and its page."""
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    other = fake_tagger(build_tagger(tmp_path / "other", heads=heads, pieces="chars", seed=5), decode="argmax")
    models = [LocalModel(tagger, name="one"), LocalModel(other, name="two")]
    sets = [DataSet(name, lambda seed=i: iter(random_gold(30, seed=seed))) for i, name in enumerate(("dev", "test"))]
    found = compare(models, sets, options=CompareOptions(sampling=Sampling(20), rounds=0))
    path = tmp_path / "compare.html"
    write_comparison(found, path, made={"when": "today"})
    return found, path


def _found(page: Page, n: int) -> None:
    expect(page.locator("#filter output")).to_have_text(f"{n:,} found")


def test_the_report_opens_and_its_filter_works(report: tuple[Report, Path], open_page: Open) -> None:
    made, path = report
    mistakes, page = made.results.mistakes, open_page(path)
    _found(page, len(mistakes))
    page.get_by_label("layer").select_option("entities")
    page.get_by_label("kind").select_option("missed")
    missed = [mistake for mistake in mistakes if (mistake.layer, mistake.kind) == ("entities", "missed")]
    _found(page, len(missed))
    assert page.locator(".found tbody tr").count() == min(len(missed), 100)
    page.get_by_label("longest").fill("20")
    _found(page, sum(mistake.n_chars <= 20 for mistake in missed))
    page.get_by_role("button", name="clear").click()
    _found(page, len(mistakes))


def test_the_report_shows_a_hundred_mistakes_at_a_time(report: tuple[Report, Path], open_page: Open) -> None:
    page = open_page(report[1])
    assert page.locator(".found tbody tr").count() == 100
    page.get_by_role("button", name="show more").click()
    expect(page.locator(".found tbody tr")).to_have_count(min(200, len(report[0].results.mistakes)))


def test_a_cell_of_a_confusion_shows_its_mistakes_by_keyboard_too(report: tuple[Report, Path], open_page: Open) -> None:
    pos, page = report[0].results.pos, open_page(report[1])
    assert pos is not None
    n_first = next(n for i, row in enumerate(pos.confusion.counts) for j, n in enumerate(row[:-1]) if n and i != j)
    page.locator('[data-layer="pos"]').first.click()
    _found(page, n_first)
    page.get_by_role("button", name="clear").click()
    page.locator('[data-layer="pos"]').first.press("Enter")
    _found(page, n_first)


def test_the_search_has_a_key(report: tuple[Report, Path], open_page: Open) -> None:
    mistakes, page = report[0].results.mistakes, open_page(report[1])
    wanted = next(mistake.text for mistake in mistakes if len(mistake.text) > 1)
    page.keyboard.press("/")
    page.keyboard.type(wanted)
    shown = [m for m in mistakes if any(wanted in part for part in (m.before + m.text + m.after, m.gold, m.predicted))]
    _found(page, len(shown))


def test_the_comparison_opens_and_its_filter_works(comparison: tuple[Comparison, Path], open_page: Open) -> None:
    flips, page = [flip for _, flip in comparison[0].flips], open_page(comparison[1])
    _found(page, len(flips))
    page.get_by_label("data").select_option("test")
    page.get_by_label("layer").select_option("entities")
    chosen = [flip for flip in flips if (flip.data, flip.layer) == ("test", "entities")]
    _found(page, len(chosen))
    page.get_by_label("right").select_option("second right")
    chosen = [flip for flip in chosen if flip.verdict == "second right"]
    _found(page, len(chosen))
    page.get_by_label("first", exact=True).fill("PER")
    _found(page, sum("per" in flip.first.lower() for flip in chosen))


def _sizes(page: Page, selector: str) -> list[dict[str, float]]:
    """Edges of elements in the window, and what they would need."""
    script = """elements => elements.map(element => ({
        right: element.getBoundingClientRect().right, width: element.clientWidth, needed: element.scrollWidth}))"""
    return page.eval_on_selector_all(selector, script)


def test_plots_keep_their_right_edge_in_a_narrow_window(report: tuple[Report, Path], open_page: Open) -> None:
    page = open_page(report[1])
    page.set_viewport_size({"width": 500, "height": 1000})
    plots = _sizes(page, "figure svg")
    assert plots
    assert all(plot["right"] <= 500 for plot in plots)


def test_a_table_wider_than_the_window_scrolls_with_a_shadow_at_its_edge(
    comparison: tuple[Comparison, Path], open_page: Open
) -> None:
    page = open_page(comparison[1])
    page.set_viewport_size({"width": 500, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") == 500
    wide = [each for each in _sizes(page, ".wide") if each["needed"] > each["width"]]
    assert wide
    assert all(each["right"] <= 500 for each in wide)
    first = page.locator(".wide").nth(4)
    expect(first).to_have_css("overflow-x", "auto")
    assert "gradient" in first.evaluate("element => getComputedStyle(element).backgroundImage")


def test_a_list_in_a_narrow_window_names_its_columns(comparison: tuple[Comparison, Path], open_page: Open) -> None:
    page = open_page(comparison[1])
    page.set_viewport_size({"width": 500, "height": 1000})
    cell = page.locator(".found td.second:not(:empty)").first
    assert "second" in cell.evaluate("element => getComputedStyle(element, '::before').content")


def test_a_table_that_fits_shows_no_shadow(comparison: tuple[Comparison, Path], open_page: Open) -> None:
    page = open_page(comparison[1])
    page.set_viewport_size({"width": 1200, "height": 1000})
    shown = page.screenshot(full_page=True)
    page.add_style_tag(content=".wide { background: none }")
    assert page.screenshot(full_page=True) == shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_readable_by_day_and_by_night(
    comparison: tuple[Comparison, Path], open_page: Open, scheme: str
) -> None:
    page = open_page(comparison[1])
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    colours = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    ink, paper = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
    assert (ink < paper) == (scheme == "light")
    assert abs(ink - paper) > 450

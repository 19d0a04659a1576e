"""A document in a notebook's page: readable whatever the page around it looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from lexel.document import Document, Spans, Words
from tests.evaluation.conftest import CHROMIUM, open_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
__all__ = ["open_page"]

TEXT = "他在北京。"
DOCUMENT = Document(
    TEXT,
    Words.of(TEXT, [(0, 1), (1, 2), (2, 4), (4, 5)], ["PRON", "VERB", "PROPN", "PUNCT"]),
    Spans.of(TEXT, [(2, 4, "LOC")]),
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_without_themes_shows_a_document_in_either_system_setting(
    tmp_path: Path, open_page: Callable[[Path], Page], scheme: str
) -> None:
    """Such as nbviewer: white paper in the dark setting, too, and letters of 10 pixels at the root."""
    path = tmp_path / "notebook.html"
    head = '<!doctype html><meta charset="utf-8"><style>html { font-size: 10px } body { background: white }</style>'
    path.write_text(head + DOCUMENT._repr_html_(), encoding="utf-8")
    page = open_page(path)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    script = "element => (s => [s.color, s.backgroundColor])(getComputedStyle(element))"
    colours = page.locator(".lexel-fragment").evaluate(script)
    ink, paper = (sum(map(int, colour[4:-1].split(","))) for colour in colours)
    assert abs(ink - paper) > 450
    tag = page.locator(".w").first.evaluate("element => parseFloat(getComputedStyle(element, '::after').fontSize)")
    assert tag >= 10

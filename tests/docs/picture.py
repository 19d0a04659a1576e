"""The picture of a read sentence in the README, as a light and a dark SVG; run it as a module to write both.

python -m tests.docs.picture
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import lexel
from lexel.document import Document, Span, Word

FOLDER = Path(__file__).parents[2] / "docs" / "images"
TEXT = "姚明1980年出生于上海，曾效力于休斯敦火箭队。"
HUES = {"PER": 205, "LOC": 35, "ORG": 140}
FONT, TAG_FONT, LABEL_FONT = 24, 10, 11
TEXT_FAMILY = "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
GAP, MARGIN, HEIGHT = 12, 18, 96


class Theme(NamedTuple):
    """Colours: of the page, of text, of tags and rules; saturation and lightness of a mark, lightness of its label."""

    paper: str
    ink: str
    soft: str
    line: str
    mark: str
    label: str


THEMES = {
    "light": Theme("#fcfbf8", "#1d1f23", "#767a82", "#dcd9d2", "75%, 86%", "75%, 27%"),
    "dark": Theme("#16181c", "#e4e5e8", "#8b9099", "#33373e", "42%, 23%", "75%, 80%"),
}


class Place(NamedTuple):
    """A word with its left and right edge in the picture."""

    word: Word
    left: float
    right: float


def places_of(document: Document) -> list[Place]:
    """Words from left to right, each as wide as its text or its tag; a label has room after its entity."""
    places, left = [], float(MARGIN)
    ends = {entity.end: entity.label for entity in document.entities}
    for word in document.words:
        chars = sum(FONT if unicodedata.east_asian_width(char) in "WF" else FONT * 0.56 for char in word.text)
        right = left + max(chars, len(word.pos or "") * TAG_FONT * 0.62)
        places.append(Place(word, left, right))
        left = right + GAP + (LABEL_FONT * 0.75 * len(ends[word.end]) + 8 if word.end in ends else 0)
    return places


def draw(document: Document, theme: Theme) -> str:
    """An SVG of the document: words over their tags, entities on a coloured ground with their labels."""
    places = places_of(document)
    width = round(places[-1].right + MARGIN)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(document.text)}">'
    )
    ground = f'<rect width="{width}" height="{HEIGHT}" rx="10" fill="{theme.paper}"/>'
    marks = [mark for entity in document.entities for mark in draw_entity(entity, places, theme)]
    words = [part for place in places for part in draw_word(place, theme)]
    return "\n".join([head, ground, *marks, *words, "</svg>\n"])


def draw_entity(entity: Span, places: list[Place], theme: Theme) -> Iterator[str]:
    """The ground behind an entity, and its label at the right."""
    inside = [place for place in places if entity.start <= place.word.start < entity.end]
    left, right = inside[0].left - 6, inside[-1].right + 6 + LABEL_FONT * 0.75 * len(entity.label) + 4
    hue = HUES[entity.label]
    yield (
        f'<rect x="{left:.1f}" y="16" width="{right - left:.1f}" height="64" rx="8" fill="hsl({hue}, {theme.mark})"/>'
    )
    yield (
        f'<text x="{right - 6:.1f}" y="40" text-anchor="end" font-family="system-ui, sans-serif" font-weight="700" '
        f'font-size="{LABEL_FONT}" fill="hsl({hue}, {theme.label})">{escape(entity.label)}</text>'
    )


def draw_word(place: Place, theme: Theme) -> Iterator[str]:
    """A word, a rule and its tag."""
    middle = (place.left + place.right) / 2
    yield (
        f'<text x="{middle:.1f}" y="45" text-anchor="middle" font-size="{FONT}" fill="{theme.ink}" '
        f'font-family="{TEXT_FAMILY}">{escape(place.word.text)}</text>'
    )
    yield (
        f'<line x1="{place.left:.1f}" x2="{place.right:.1f}" y1="56" y2="56" stroke="{theme.line}" stroke-width="1.5"/>'
    )
    yield (
        f'<text x="{middle:.1f}" y="70" text-anchor="middle" font-family="ui-monospace, Menlo, Consolas, monospace" '
        f'font-size="{TAG_FONT}" fill="{theme.soft}">{escape(place.word.pos or "")}</text>'
    )


def pictures() -> dict[Path, str]:
    """What each file of the picture holds."""
    document = lexel.load()(TEXT)
    return {FOLDER / f"reading-{name}.svg": draw(document, theme) for name, theme in THEMES.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, picture in pictures().items():
        path.write_text(picture, encoding="utf-8")

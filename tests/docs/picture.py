"""The picture of a read sentence in the README, as a light and a dark SVG; run it as a module to write both.

python -m tests.docs.picture

The picture is narrow, so that its tags stay readable where a phone shrinks it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import lexel
from lexel.document import Document, Span, Word

FOLDER = Path(__file__).parents[2] / "docs" / "images"
TEXT = "王小芳2015年毕业于武汉大学，后来搬到了上海。"
HUES = {"PER": 205, "LOC": 35, "ORG": 140}
FONT, TAG_FONT, LABEL_FONT = 24, 14, 13
TEXT_FAMILY = "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
GAP, MARGIN, EDGE, LINE_HEIGHT = 12, 18, 14, 78
WIDEST = 550
"""Lines are broken here; a phone has 390 pixels, on which tags of 14 pixels have 10."""


class Theme(NamedTuple):
    """Colours: of the page, of text, of tags and rules; saturation and lightness of a mark, lightness of its label."""

    paper: str
    ink: str
    soft: str
    line: str
    mark: str
    label: str


THEMES = {
    "light": Theme("#fcfbf8", "#1d1f23", "#5b5f67", "#d0cdc6", "75%, 86%", "75%, 27%"),
    "dark": Theme("#16181c", "#e4e5e8", "#a3a8b1", "#454a52", "42%, 23%", "75%, 80%"),
}


class Place(NamedTuple):
    """A word with its line, and its left and right edge in the picture."""

    word: Word
    line: int
    left: float
    right: float


def places_of(document: Document) -> list[Place]:
    """Words in lines from left to right, each as wide as its text or its tag; a label has room after its entity."""
    places, left, line = [], float(MARGIN), 0
    labels = {entity.end: entity.label for entity in document.entities}
    for unit in units_of(document):
        widths = [(width_of(word), room_of(labels.get(word.end))) for word in unit]
        if left > MARGIN and left + sum(map(sum, widths)) + GAP * (len(unit) - 1) + MARGIN > WIDEST:
            left, line = float(MARGIN), line + 1
        for word, (width, room) in zip(unit, widths, strict=True):
            places.append(Place(word, line, left, left + width))
            left += width + room + GAP
    return places


def units_of(document: Document) -> list[list[Word]]:
    """Words between which a line may be broken: not inside of an entity, and not before a punctuation mark."""
    units: list[list[Word]] = []
    for word in document.words:
        inside = any(entity.start < word.start < entity.end for entity in document.entities)
        if units and (inside or unicodedata.category(word.text[0]).startswith("P")):
            units[-1].append(word)
        else:
            units.append([word])
    return units


def width_of(word: Word) -> float:
    chars = sum(FONT if unicodedata.east_asian_width(char) in "WF" else FONT * 0.62 for char in word.text)
    return max(chars, len(word.pos or "") * TAG_FONT * 0.61)


def room_of(label: str | None) -> float:
    """How much an entity's label takes after its last word."""
    return 0 if label is None else LABEL_FONT * 0.72 * len(label) + 8


def draw(document: Document, theme: Theme) -> str:
    """An SVG of the document: words over their tags, entities on a coloured ground with their labels."""
    places = places_of(document)
    labels = {entity.end: entity.label for entity in document.entities}
    width = round(max(place.right + room_of(labels.get(place.word.end)) for place in places) + MARGIN)
    height = 2 * EDGE + LINE_HEIGHT * places[-1].line + 68
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(document.text)}">'
    )
    ground = f'<rect width="{width}" height="{height}" rx="10" fill="{theme.paper}"/>'
    marks = [mark for entity in document.entities for mark in draw_entity(entity, places, theme)]
    words = [part for place in places for part in draw_word(place, theme)]
    return "\n".join([head, ground, *marks, *words, "</svg>\n"])


def draw_entity(entity: Span, places: Sequence[Place], theme: Theme) -> Iterator[str]:
    """The ground behind an entity, and its label at the right."""
    inside = [place for place in places if entity.start <= place.word.start < entity.end]
    left, right, top = inside[0].left - 6, inside[-1].right + 4 + room_of(entity.label), top_of(inside[0])
    hue = HUES[entity.label]
    yield (
        f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="68" rx="8" '
        f'fill="hsl({hue}, {theme.mark})"/>'
    )
    yield (
        f'<text x="{right - 6:.1f}" y="{top + 26}" text-anchor="end" font-family="system-ui, sans-serif" '
        f'font-weight="700" font-size="{LABEL_FONT}" fill="hsl({hue}, {theme.label})">{escape(entity.label)}</text>'
    )


def draw_word(place: Place, theme: Theme) -> Iterator[str]:
    """A word, a rule and its tag."""
    middle, top = (place.left + place.right) / 2, top_of(place)
    yield (
        f'<text x="{middle:.1f}" y="{top + 31}" text-anchor="middle" font-size="{FONT}" fill="{theme.ink}" '
        f'font-family="{TEXT_FAMILY}">{escape(place.word.text)}</text>'
    )
    yield (
        f'<line x1="{place.left:.1f}" x2="{place.right:.1f}" y1="{top + 41}" y2="{top + 41}" stroke="{theme.line}" '
        'stroke-width="1.5"/>'
    )
    yield (
        f'<text x="{middle:.1f}" y="{top + 58}" text-anchor="middle" font-family="ui-monospace, Menlo, Consolas, '
        f'monospace" font-size="{TAG_FONT}" fill="{theme.soft}">{escape(place.word.pos or "")}</text>'
    )


def top_of(place: Place) -> int:
    return EDGE + LINE_HEIGHT * place.line


def pictures() -> dict[Path, str]:
    """What each file of the picture holds."""
    document = lexel.load()(TEXT)
    return {FOLDER / f"reading-{name}.svg": draw(document, theme) for name, theme in THEMES.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, picture in pictures().items():
        path.write_text(picture, encoding="utf-8")

"""Writes documents as HTML, with words over their tags and highlighted entities: as a page, or for a notebook."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from lexel.data.files import Target, open_output
from lexel.data.omissions import Loss, Losses
from lexel.data.render import CROSSING, Part, cut_into_parts, nested
from lexel.document import Document, Span
from lexel.pages import fill_template
from lexel.visible import visible

HTML_FORMAT = "HTML"
N_COLOURS = 10
N_OPEN = 500
"""The number of characters of a document that a notebook shows; the next ones are folded."""
N_FOLDED = 20_000
"""The maximum number of folded characters; more would make a notebook slow, so only their number is shown."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


class Legend:
    """Counts for the head of the page, which is at the end of the file; its style moves it to the top.

    Attributes:
        labels: How many entities of each label, in order of their first appearance.
        n_documents: How many documents.
        n_words: How many words.
    """

    def __init__(self) -> None:
        self.labels: Counter[str] = Counter()
        self.n_documents: int = 0
        self.n_words: int = 0

    def add(self, document: Document, entities: Sequence[Span]) -> dict[str, int]:
        """Count a document; returns the colours of all labels so far."""
        self.labels.update(entity.label for entity in entities)
        self.n_documents, self.n_words = self.n_documents + 1, self.n_words + len(document.words)
        return {label: i % N_COLOURS for i, label in enumerate(self.labels)}


class Item(NamedTuple):
    """A part of a paragraph: text, a word, or the start or end of an element that encloses others.

    Attributes:
        kind: ``text``, ``word``, ``entity`` or ``turned`` (words whose direction differs from the paragraph's);
            ``end entity`` and ``end turned`` close the element that was opened last.
        text: The text to show: the characters, the label of an entity, or the direction of turned words.
        pos: The tag under a word, if any.
        colour: The colour of an entity.
        score: The score of an entity.
    """

    kind: str
    text: str = ""
    pos: str | None = None
    colour: int = 0
    score: float | None = None


class Article(NamedTuple):
    """One document on the page: its name, whether it has words, its base direction, and its items."""

    title: str | None
    kind: str
    direction: str
    items: Iterable[Item]


def write_html(
    documents: Iterable[Document], out: Target, *, encoding: str = "utf-8", title: str = "Lexel"
) -> tuple[Loss, ...]:
    """Write one page: separate words with tags below them, highlighted entities, and a legend with counts.

    The page loads nothing from elsewhere and follows the reader's light or dark setting. Copying from it gives only
    the text.

    Args:
        documents: Any documents; those without words show their text.
        out: A path, ``"-"`` or an open text stream.
        encoding: The encoding of the output; the page declares it in its head.
        title: The title of the page.

    Returns:
        What the page leaves out: entities that cross another. Those inside others are shown.

    Raises:
        DataError: If a text has a lone surrogate, or the target cannot be written.
    """
    losses, legend = Losses(), Legend()

    def articles() -> Iterator[Article]:
        for document in documents:
            entities = nested(document.all_entities)
            losses.add(CROSSING, len(document.all_entities) - len(entities), format=HTML_FORMAT)
            yield _article(document, entities, colours=legend.add(document, entities))

    with open_output(out, encoding=encoding) as output:
        page = fill_template(
            "lexel.data",
            "page.html",
            title=title,
            encoding=encoding,
            articles=articles(),
            legend=legend,
            n_colours=N_COLOURS,
            visible=visible,
        )
        for piece in page:
            output.write(piece)
    return losses.summary()


def fragment_of(document: Document) -> str:
    """A document as HTML for a notebook, without the head of a page; long text is folded.

    It follows the notebook's light or dark theme.
    """
    first = _cut_near(document, N_OPEN)
    second = _cut_near(document, N_OPEN + N_FOLDED)
    colours = Legend().add(document, nested(document.all_entities))

    def article(start: int, end: int) -> Article:
        part = document.part(start, end)
        return _article(part, nested(part.all_entities), colours=colours)

    n = len(document.text)
    folded = [article(first, second)] if second > first else []
    fragment = fill_template(
        "lexel.data",
        "fragment.html",
        shown=[article(0, first)],
        folded=folded,
        n_more=second - first,
        n_left=n - second,
    )
    return "".join(fragment)


def _cut_near(document: Document, place: int) -> int:
    """The last place, at or before the given one, that is outside every word and entity; at most the text's end."""
    if place >= len(document.text):
        return len(document.text)
    cut = place
    while over := [
        int(layer.starts[crossing].min())
        for layer in (document.words, document.all_entities)
        if (crossing := (layer.starts < cut) & (layer.ends > cut)).any()
    ]:
        cut = min(over)
    return cut or place


def _article(document: Document, entities: Sequence[Span], *, colours: dict[str, int]) -> Article:
    kind = "words" if "words" in document.layers else "plain"
    base = "rtl" if _direction(document.text) == "rtl" else "ltr"
    title = None if document.id is None else visible(document.id)
    return Article(title, kind, base, _items(document, entities, colours, base=base))


class _Element(NamedTuple):
    """An element of the page that encloses a range of text."""

    start: int
    end: int
    opening: Item


def _items(document: Document, entities: Sequence[Span], colours: dict[str, int], *, base: str) -> Iterator[Item]:
    """The parts of a paragraph in order, with the starts and ends of the elements that enclose them."""
    text, pos = document.text, document.words.pos
    parts = list(cut_into_parts(document, entities))
    elements = [
        _Element(span.start, span.end, Item("entity", visible(span.label), None, colours[span.label], span.score))
        for span in entities
    ]
    elements += _turned_runs(text, parts, entities, base=base)
    waiting = sorted(elements, key=lambda element: (-element.start, element.end, element.opening.kind == "turned"))
    opened: list[_Element] = []
    for part in parts:
        while opened and opened[-1].end <= part.start:
            yield Item(f"end {opened.pop().opening.kind}")
        while waiting and waiting[-1].start == part.start:
            opened.append(waiting.pop())
            yield opened[-1].opening
        shown = visible(text[part.start : part.end])
        if part.word is None:
            yield Item("text", shown)
        else:
            yield Item("word", shown, None if pos is None or not part.first_of_word else visible(pos[part.word]))
    yield from (Item(f"end {element.opening.kind}") for element in reversed(opened))


def _turned_runs(text: str, parts: Sequence[Part], entities: Sequence[Span], *, base: str) -> list[_Element]:
    """Elements that enclose words whose direction differs from the paragraph's, so that they keep their own order.

    A word is a box, and boxes follow the order of the paragraph whatever they contain: "Joe" and "Biden" would swap
    places in a Hebrew sentence.
    """
    if not _RIGHT_TO_LEFT.search(text):
        return []
    turned = "ltr" if base == "rtl" else "rtl"
    runs: list[list[int]] = []
    going = False
    for part in parts:
        direction = _direction(text[part.start : part.end])
        if direction == turned:
            runs[-1:] = [[runs[-1][0], part.end]] if going else [*runs[-1:], [part.start, part.end]]
        going = direction == turned or (going and direction is None)
    return [
        _Element(start, end, Item("turned", turned))
        for run in runs
        for start, end in pairwise([run[0], *_crossed(run[0], run[1], entities), run[1]])
    ]


def _crossed(start: int, end: int, entities: Iterable[Span]) -> list[int]:
    """Where a run must be cut so that each part lies inside or encloses each entity."""
    before = {entity.end for entity in entities if entity.start < start < entity.end < end}
    after = {entity.start for entity in entities if start < entity.start < end < entity.end}
    return sorted(before | after)


def _direction(text: str) -> str | None:
    """``ltr`` or ``rtl`` by the first character that has a direction, as ``dir="auto"`` decides it."""
    kinds = map(unicodedata.bidirectional, text)
    return next(("ltr" if kind == "L" else "rtl" for kind in kinds if kind in ("L", "R", "AL")), None)

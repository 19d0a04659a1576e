"""Documents as HTML: words over their tags, entities highlighted; as a page with a legend, or for a notebook."""

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
"""Characters of a document that a notebook shows; more are folded."""
N_FOLDED = 20_000
"""Characters that are folded; more would make a notebook slow, so the rest is counted."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


class Legend:
    """Counts for the head of the page, which stands at its end in the file and is moved to the top by its style.

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
        """Count a document; returns the colour of each label so far."""
        self.labels.update(entity.label for entity in entities)
        self.n_documents, self.n_words = self.n_documents + 1, self.n_words + len(document.words)
        return {label: i % N_COLOURS for i, label in enumerate(self.labels)}


class Item(NamedTuple):
    """A part of a paragraph: text, a word, or the start or end of an element around others.

    Attributes:
        kind: ``text``, ``word``, ``entity`` or ``turned`` (words that run against the paragraph); ``end entity`` and
            ``end turned`` close the element that was opened last.
        text: What is shown: the characters, the label of an entity, or the direction of turned words.
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
    """One document on the page: its name, whether it has words, its base direction, and what is in it."""

    title: str | None
    kind: str
    direction: str
    items: Iterable[Item]


def write_html(
    documents: Iterable[Document], out: Target, *, encoding: str = "utf-8", title: str = "Lexel"
) -> tuple[Loss, ...]:
    """Write one page: words set apart, tags below them, entities highlighted, a legend with counts.

    The page needs nothing from elsewhere, follows the reader's light or dark setting, and copying from it gives the
    text alone.

    Args:
        documents: Any documents; those without words show their text.
        out: A path, ``"-"`` or an open text stream.
        encoding: How characters are written; the page says so in its head.
        title: The title of the page.

    Returns:
        What the page should show and does not: entities that cross another. Those inside of others are shown.

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
    """A document as HTML for a notebook, without the head of a page: long text is folded.

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
    """The last place at or before another that lies in no word and no entity; the text's end if it comes first."""
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
    """An element of the page around a stretch of text."""

    start: int
    end: int
    opening: Item


def _items(document: Document, entities: Sequence[Span], colours: dict[str, int], *, base: str) -> Iterator[Item]:
    """The parts of a paragraph in order, with the starts and ends of the elements around them."""
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
    """Elements around words that run against the paragraph, so that they stand in their own order.

    A word is a box, and boxes stand in the order of the paragraph whatever is in them: "Joe" and "Biden" would change
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
    """Where a run must be cut so that it lies wholly in or wholly around each entity."""
    before = {entity.end for entity in entities if entity.start < start < entity.end < end}
    after = {entity.start for entity in entities if start < entity.start < end < entity.end}
    return sorted(before | after)


def _direction(text: str) -> str | None:
    """``ltr`` or ``rtl`` by the first character that has a direction, as ``dir="auto"`` decides it."""
    kinds = map(unicodedata.bidirectional, text)
    return next(("ltr" if kind == "L" else "rtl" for kind in kinds if kind in ("L", "R", "AL")), None)

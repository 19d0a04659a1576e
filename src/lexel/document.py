"""The result of reading a text: a Document of words, entities and sentences with exact character offsets.

Offsets are half-open, count Unicode code points, and always index your own string:
``doc.text[word.start:word.end] == word.text``. ``lexel.columns`` describes how a layer is stored.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from lexel.columns import FloatArray, IntArray, Span, Spans, Word, Words
from lexel.errors import DataError

__all__ = ["Document", "FloatArray", "IntArray", "Span", "Spans", "Word", "Words"]


class Document:
    """A text with its words, entities and sentences; immutable.

    A layer that was neither annotated nor predicted is an empty sequence. ``layers`` names the layers that are
    present, so ``"entities" in doc.layers`` distinguishes "none found" from "not looked for".

    ``entities`` never overlap. ``nested`` holds all spans that a span model found, so they may lie inside each other or
    overlap.

    Attributes:
        text: The caller's string, unchanged.
        id: The record's name in its file, if it has one.
    """

    __slots__ = ("_entities", "_nested", "_sentences", "_words", "id", "text")

    text: str
    id: str | None

    def __init__(
        self,
        text: str,
        words: Words | None = None,
        entities: Spans | None = None,
        sentences: Spans | Callable[[str], Spans] | None = None,
        *,
        id: str | None = None,
        nested: Spans | None = None,
    ) -> None:
        """Put a document together.

        Args:
            text: The text that every layer's offsets index.
            words: Its words, with tags if known.
            entities: Its named entities.
            sentences: Its sentences, or a rule that finds them on first use.
            id: The record's name in its file.
            nested: Its named entities, including those that lie inside others or overlap them.
        """
        put = object.__setattr__
        put(self, "text", text)
        put(self, "id", id)
        put(self, "_words", words)
        put(self, "_entities", entities)
        put(self, "_nested", nested)
        put(self, "_sentences", sentences)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Document is immutable; make a new one instead of setting {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        layers = self._words, self._entities, self._sentences, self._nested  # type: ignore[attr-defined]
        return _rebuild, (self.text, *layers, self.id)

    @property
    def words(self) -> Words:
        """The words in order; empty if the layer is absent."""
        words: Words | None = self._words  # type: ignore[attr-defined]
        return Words(self.text, (), ()) if words is None else words

    @property
    def entities(self) -> Spans:
        """The named entities in order; empty if the layer is absent."""
        entities: Spans | None = self._entities  # type: ignore[attr-defined]
        return Spans(self.text, (), (), label_ids=(), labels=()) if entities is None else entities

    @property
    def nested(self) -> Spans:
        """All named entities, including those inside others, outer before inner; empty if the layer is absent."""
        nested: Spans | None = self._nested  # type: ignore[attr-defined]
        return Spans(self.text, (), (), label_ids=(), labels=()) if nested is None else nested

    @property
    def all_entities(self) -> Spans:
        """``nested`` if the document has this layer, else ``entities``."""
        return self.nested if "nested" in self.layers else self.entities

    @property
    def sentences(self) -> Spans:
        """The sentences in order; empty if the layer is absent."""
        sentences: Spans | Callable[[str], Spans] | None = self._sentences  # type: ignore[attr-defined]
        if sentences is None:
            return Spans(self.text, (), (), label_ids=(), labels=())
        if callable(sentences):
            sentences = sentences(self.text)
            object.__setattr__(self, "_sentences", sentences)
        return sentences

    @property
    def layers(self) -> frozenset[str]:
        """The layers that this document has, of ``words``, ``pos``, ``entities``, ``nested`` and ``sentences``."""
        present = {
            "words": self._words is not None,  # type: ignore[attr-defined]
            "pos": self._words is not None and self._words.pos_ids is not None,  # type: ignore[attr-defined]
            "entities": self._entities is not None,  # type: ignore[attr-defined]
            "nested": self._nested is not None,  # type: ignore[attr-defined]
            "sentences": self._sentences is not None,  # type: ignore[attr-defined]
        }
        return frozenset(name for name, there in present.items() if there)

    def part(self, start: int, end: int) -> Document:
        """The part ``[start, end)`` of the text, with the words and entities that lie entirely inside it.

        ``doc.part(sentence.start, sentence.end)`` is a sentence with its own words. Offsets index the part's text.
        """
        words, entities, sentences = self._words, self._entities, self._sentences  # type: ignore[attr-defined]
        nested: Spans | None = self._nested  # type: ignore[attr-defined]
        return Document(
            self.text[start:end],
            None if words is None else words.within(start, end),
            None if entities is None else entities.within(start, end),
            sentences.within(start, end) if isinstance(sentences, Spans) else sentences,
            id=self.id,
            nested=None if nested is None else nested.within(start, end),
        )

    def to_dict(self) -> dict[str, Any]:
        """The document as plain lists and numbers for ``json.dumps``; the record of the JSON-lines format.

        Scores are not rounded, and sentences are included, so ``Document.from_dict(doc.to_dict()) == doc``.
        """
        record: dict[str, Any] = _form("jsonl").record_of_document(self, exact=True)
        return record

    def to_json(self) -> str:
        """The document as one line of JSON; see ``to_dict``."""
        line: str = _form("jsonl").json_line(self.to_dict())
        return line.rstrip("\n")

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Document:
        """Make a document from a record: the result of ``to_dict``, or a parsed line of JSON.

        Raises:
            DataError: If a part of the record does not match its text.
        """
        try:
            document: Document = _form("jsonl").document_of_record(record)
        except ValueError as error:
            raise DataError(f"record: {error}") from error
        return document

    def to_html(self, *, title: str = "Lexel") -> str:
        """The document as a complete HTML page: words over their tags, entities highlighted, light and dark.

        A document with the layer ``nested`` shows all of its spans, one inside another.
        """
        page = io.StringIO()
        _form("html_page").write_html([self], page, title=title)
        return page.getvalue()

    def _repr_html_(self) -> str:
        """The view in a notebook: as ``to_html``, with long text folded."""
        fragment: str = _form("html_page").fragment_of(self)
        return fragment

    def show(self, *, colour: bool | None = None, width: int | None = None) -> None:
        """Print the document: words over their tags, a bar with its label under each entity, inner ones below outer.

        Args:
            colour: Whether to use colours; ``None`` uses them on a terminal, unless ``NO_COLOR`` is set.
            width: Columns to use; ``None`` asks the terminal, or takes 80.
        """
        _form("render").write_terminal([self], colour=colour, width=width)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Document):
            return NotImplemented
        return _compared(self) == _compared(other)

    def __hash__(self) -> int:
        return hash((self.text, self.id))

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= 40 else self.text[:37] + "..."
        counts = [_count(self.words, "word", "words"), _count(self.entities, "entity", "entities")]
        if "nested" in self.layers:
            counts.append(f"{len(self.nested)} nested")
        return f"Document({shown!r}, {', '.join(counts)})"


def _compared(document: Document) -> tuple[Any, ...]:
    """The values that decide whether two documents are equal."""
    layers = document.words, document.entities, document.nested
    return document.text, document.id, document.layers, *layers


def _count(layer: Words | Spans, singular: str, plural: str) -> str:
    return f"{len(layer)} {singular if len(layer) == 1 else plural}"


def _form(name: str) -> Any:
    """A module of ``lexel.data``, imported on first use because it depends on this module."""
    return import_module(f"lexel.data.{name}")


def _rebuild(
    text: str,
    words: Words | None,
    entities: Spans | None,
    sentences: Spans | Callable[[str], Spans] | None,
    nested: Spans | None,
    id: str | None,
) -> Document:
    return Document(text, words, entities, sentences, id=id, nested=nested)

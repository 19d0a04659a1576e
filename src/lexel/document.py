"""What reading a text gives: a Document of words, entities and sentences with exact character offsets.

Offsets are half-open, count Unicode code points, and always index the caller's own string:
``doc.text[word.start:word.end] == word.text``. Inside, a layer is a few arrays; ``Word`` and ``Span`` objects are made
when they are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]


class Word(NamedTuple):
    """A word: ``text`` is the slice ``[start, end)`` of its document's text.

    ``score`` is the mean probability of the decoded boundaries over the word's pieces, ``pos_score`` that of its tag;
    ``None`` where a layer was read from data instead of predicted.
    """

    start: int
    end: int
    text: str
    pos: str | None = None
    score: float | None = None
    pos_score: float | None = None


class Span(NamedTuple):
    """A labelled stretch of text (an entity, a sentence): ``text`` is the slice ``[start, end)``."""

    start: int
    end: int
    text: str
    label: str
    score: float | None = None


def _offsets(values: ArrayLike) -> IntArray:
    array = np.ascontiguousarray(values, dtype=np.int32)
    array.flags.writeable = False
    return array


def _scores(values: ArrayLike | None) -> FloatArray | None:
    if values is None:
        return None
    array = np.ascontiguousarray(values, dtype=np.float32)
    array.flags.writeable = False
    return array


class Words(Sequence[Word]):
    """The words of one text, in order, as arrays.

    Attributes:
        text: The text that the offsets index.
        starts: First character of each word, ``[words]``.
        ends: One past the last character, ``[words]``.
        pos_ids: Index of each word's tag in ``pos_labels``, ``[words]``; ``None`` without tags.
        pos_labels: The names of the tags.
        scores: Probability of each word's boundaries, ``[words]``, or ``None``.
        pos_scores: Probability of each word's tag, ``[words]``, or ``None``.
    """

    __slots__ = ("ends", "pos_ids", "pos_labels", "pos_scores", "scores", "starts", "text")

    def __init__(
        self,
        text: str,
        starts: ArrayLike,
        ends: ArrayLike,
        *,
        pos_ids: ArrayLike | None = None,
        pos_labels: Sequence[str] = (),
        scores: ArrayLike | None = None,
        pos_scores: ArrayLike | None = None,
    ) -> None:
        self.text = text
        self.starts = _offsets(starts)
        self.ends = _offsets(ends)
        self.pos_ids = None if pos_ids is None else _offsets(pos_ids)
        self.pos_labels = tuple(pos_labels)
        self.scores = _scores(scores)
        self.pos_scores = _scores(pos_scores)

    @classmethod
    def of(cls, text: str, spans: Iterable[Sequence[int]], pos: Iterable[str] | None = None) -> Words:
        """Words from ``(start, end)`` pairs and, if known, one tag a word."""
        pairs = [(int(start), int(end)) for start, end, *_ in spans]
        starts, ends = zip(*pairs, strict=True) if pairs else ((), ())
        if pos is None:
            return cls(text, starts, ends)
        tags = list(pos)
        if len(tags) != len(pairs):
            raise ValueError(f"{len(tags)} tags for {len(pairs)} words; pass one tag a word")
        labels = sorted(set(tags))
        index = {label: i for i, label in enumerate(labels)}
        return cls(text, starts, ends, pos_ids=[index[tag] for tag in tags], pos_labels=labels)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Word: ...
    @overload
    def __getitem__(self, index: slice) -> list[Word]: ...
    def __getitem__(self, index: int | slice) -> Word | list[Word]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start, end = int(self.starts[index]), int(self.ends[index])
        return Word(
            start,
            end,
            self.text[start:end],
            None if self.pos_ids is None else self.pos_labels[self.pos_ids[index]],
            None if self.scores is None else float(self.scores[index]),
            None if self.pos_scores is None else float(self.pos_scores[index]),
        )

    def __iter__(self) -> Iterator[Word]:
        return map(
            Word,
            self.starts.tolist(),
            self.ends.tolist(),
            self.texts,
            repeat(None) if self.pos_ids is None else self.pos or (),
            repeat(None) if self.scores is None else self.scores.tolist(),
            repeat(None) if self.pos_scores is None else self.pos_scores.tolist(),
        )

    @property
    def texts(self) -> list[str]:
        """The words as strings."""
        text = self.text
        return [text[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    @property
    def pos(self) -> list[str] | None:
        """One tag a word, or ``None`` without tags."""
        if self.pos_ids is None:
            return None
        labels = self.pos_labels
        return [labels[i] for i in self.pos_ids.tolist()]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self.text, self.starts.tobytes(), self.ends.tobytes()))

    def __repr__(self) -> str:
        return f"Words({' '.join(map(repr, self.texts[:12]))}{' ...' if len(self) > 12 else ''})"


class Spans(Sequence[Span]):
    """Labelled stretches of one text, in order, as arrays.

    Attributes:
        text: The text that the offsets index.
        starts: First character of each span, ``[spans]``.
        ends: One past the last character, ``[spans]``.
        label_ids: Index of each span's label in ``labels``, ``[spans]``.
        labels: The names of the labels.
        scores: Probability of each span, ``[spans]``, or ``None``.
    """

    __slots__ = ("ends", "label_ids", "labels", "scores", "starts", "text")

    def __init__(
        self,
        text: str,
        starts: ArrayLike,
        ends: ArrayLike,
        *,
        label_ids: ArrayLike,
        labels: Sequence[str],
        scores: ArrayLike | None = None,
    ) -> None:
        self.text = text
        self.starts = _offsets(starts)
        self.ends = _offsets(ends)
        self.label_ids = _offsets(label_ids)
        self.labels = tuple(labels)
        self.scores = _scores(scores)

    @classmethod
    def of(cls, text: str, spans: Iterable[tuple[int, int, str]]) -> Spans:
        """Spans from ``(start, end, label)`` triples."""
        rows = [(int(start), int(end), label) for start, end, label in spans]
        starts, ends, names = zip(*rows, strict=True) if rows else ((), (), ())
        labels = sorted(set(names))
        index = {label: i for i, label in enumerate(labels)}
        return cls(text, starts, ends, label_ids=[index[name] for name in names], labels=labels)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> list[Span]: ...
    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start, end = int(self.starts[index]), int(self.ends[index])
        score = None if self.scores is None else float(self.scores[index])
        return Span(start, end, self.text[start:end], self.labels[self.label_ids[index]], score)

    def __iter__(self) -> Iterator[Span]:
        text, labels = self.text, self.labels
        starts, ends = self.starts.tolist(), self.ends.tolist()
        return map(
            Span,
            starts,
            ends,
            [text[start:end] for start, end in zip(starts, ends, strict=True)],
            [labels[i] for i in self.label_ids.tolist()],
            repeat(None) if self.scores is None else self.scores.tolist(),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self.text, self.starts.tobytes(), self.ends.tobytes()))

    def __repr__(self) -> str:
        return f"Spans({', '.join(f'{span.text!r} {span.label}' for span in self)})"


class Document:
    """A text with what was read in it; immutable.

    A layer that nobody annotated or predicted is an empty sequence, and ``layers`` says which layers are there:
    ``"entities" in doc.layers`` tells "none found" from "not looked for".

    Attributes:
        text: The caller's string, unchanged.
        id: The record's name in its file, if it has one.
    """

    __slots__ = ("_entities", "_sentences", "_words", "id", "text")

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
    ) -> None:
        """Put a document together.

        Args:
            text: The text that every layer's offsets index.
            words: Its words, with tags if known.
            entities: Its named entities.
            sentences: Its sentences, or a rule that finds them when they are asked for.
            id: The record's name in its file.
        """
        put = object.__setattr__
        put(self, "text", text)
        put(self, "id", id)
        put(self, "_words", words)
        put(self, "_entities", entities)
        put(self, "_sentences", sentences)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Document is immutable; make a new one instead of setting {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.text, self._words, self._entities, self._sentences, self.id)  # type: ignore[attr-defined]

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
        """Which of ``words``, ``pos``, ``entities`` and ``sentences`` this document carries."""
        present = {
            "words": self._words is not None,  # type: ignore[attr-defined]
            "pos": self._words is not None and self._words.pos_ids is not None,  # type: ignore[attr-defined]
            "entities": self._entities is not None,  # type: ignore[attr-defined]
            "sentences": self._sentences is not None,  # type: ignore[attr-defined]
        }
        return frozenset(name for name, there in present.items() if there)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Document):
            return NotImplemented
        return (self.text, self.id, self.layers, self.words, self.entities) == (
            other.text,
            other.id,
            other.layers,
            other.words,
            other.entities,
        )

    def __hash__(self) -> int:
        return hash((self.text, self.id))

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= 40 else self.text[:37] + "..."
        return f"Document({shown!r}, {len(self.words)} words, {len(self.entities)} entities)"


def _rebuild(
    text: str,
    words: Words | None,
    entities: Spans | None,
    sentences: Spans | Callable[[str], Spans] | None,
    id: str | None,
) -> Document:
    return Document(text, words, entities, sentences, id=id)

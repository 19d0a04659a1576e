"""The layers of a text: its words, and labelled spans such as entities, each stored as columns.

A layer is one string of bytes with its columns: 20 bytes for a word with tags and scores, 16 for a span. It keeps
nothing of the texts that were read in the same batch. Arrays, ``Word`` and ``Span`` objects are made on access.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, Self, TypeVar, overload

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


class _Layout(NamedTuple):
    """The columns of a layer; shared by all texts that were read together.

    Attributes:
        columns: Their names in order, ``starts`` and ``ends`` first, those of ``_SCORES`` last.
        labels: The labels that the column of indexes refers to.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...]

    def position(self, name: str) -> int | None:
        """The position of the column with a name."""
        return self.columns.index(name) if name in self.columns else None


_SCORES = frozenset(("scores", "pos_scores"))
"""Columns of float32; the others are int32."""

_SHOWN = 12
"""Number of rows that a layer's ``repr`` shows."""

_ITEM_BYTES = 4
_new = tuple.__new__  # a Word from an iterable of its fields, in a seventh of the time that Word(...) takes

Row = TypeVar("Row", Word, Span)
Number = TypeVar("Number", np.int32, np.float32)


class _Layer(Sequence[Row]):
    """The rows of one text as columns, stored one after another in a string of bytes.

    A layer owns only its own numbers, so keeping one Document does not keep the others of its batch in memory. Its
    columns are read-only arrays over the bytes.
    """

    __slots__ = ("_layout", "_packed", "text")

    text: str
    _layout: _Layout
    _packed: bytes

    def _pack(self, text: str, columns: Mapping[str, ArrayLike | None], labels: Sequence[str]) -> None:
        arrays = _arrays(columns)
        self.text, self._layout = text, _Layout(tuple(arrays), tuple(labels))
        self._packed = b"".join(array.tobytes() for array in arrays.values())

    @classmethod
    def _of_packed(cls, text: str, layout: _Layout, packed: bytes) -> Self:
        layer = cls.__new__(cls)
        layer.text, layer._layout, layer._packed = text, layout, packed
        return layer

    @classmethod
    def _split(
        cls,
        texts: Iterable[str],
        bounds: NDArray[np.int64],
        columns: Mapping[str, ArrayLike | None],
        labels: Sequence[str],
    ) -> Iterator[Self]:
        """The layers of several texts from concatenated columns; columns that are ``None`` are left out."""
        arrays = _arrays(columns)
        packed = _text_by_text(list(arrays.values()), bounds)
        edges = (bounds * (_ITEM_BYTES * len(arrays))).tolist()
        parts = map(packed.__getitem__, map(slice, edges, edges[1:]))
        return map(cls._of_packed, texts, repeat(_Layout(tuple(arrays), tuple(labels))), parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._of_packed, (self.text, self._layout, self._packed)

    def __len__(self) -> int:
        return len(self._packed) // (_ITEM_BYTES * len(self._layout.columns))

    @property
    def starts(self) -> IntArray:
        """First character of each, ``[rows]``."""
        return np.frombuffer(self._packed, np.int32, len(self))

    @property
    def ends(self) -> IntArray:
        """One past the last character of each, ``[rows]``."""
        n = len(self)
        return np.frombuffer(self._packed, np.int32, n, _ITEM_BYTES * n)

    @property
    def scores(self) -> FloatArray | None:
        """The probability of each, ``[rows]``, if it was predicted."""
        return self._floats("scores")

    @property
    def texts(self) -> list[str]:
        """The text of each row."""
        return _slices(self.text, self.starts.tolist(), self.ends.tolist())

    def _lists(self) -> dict[str, list[Any]]:
        """All columns as lists, five times as fast as converting one after the other."""
        columns = self._layout.columns
        table = np.frombuffer(self._packed, np.int32).reshape(len(columns), len(self))
        n_ints = len(columns) - sum(name in _SCORES for name in columns)
        return dict(zip(columns, table[:n_ints].tolist() + table[n_ints:].view(np.float32).tolist(), strict=True))

    def _ints(self, name: str) -> IntArray | None:
        return self._column(name, np.int32)

    def _floats(self, name: str) -> FloatArray | None:
        return self._column(name, np.float32)

    def _column(self, name: str, dtype: type[Number]) -> NDArray[Number] | None:
        position, n = self._layout.position(name), len(self)
        return None if position is None else np.frombuffer(self._packed, dtype, n, _ITEM_BYTES * n * position)

    def _part(self, rows: slice) -> Self:
        """Some of the rows, as a layer of the same text."""
        table = np.frombuffer(self._packed, np.int32).reshape(len(self._layout.columns), len(self))
        return self._of_packed(self.text, self._layout, table[:, rows].tobytes())

    def within(self, start: int, end: int) -> Self:
        """The rows that lie entirely in ``[start, end)``, with offsets into that part of the text."""
        table = np.frombuffer(self._packed, np.int32).reshape(len(self._layout.columns), len(self))
        kept = table[:, (table[0] >= start) & (table[1] <= end)]
        kept[:2] -= start
        return self._of_packed(self.text[start:end], self._layout, kept.tobytes())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self) | list):
            return NotImplemented
        return list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self._packed[: 2 * _ITEM_BYTES * len(self)], *self.texts))


def _arrays(columns: Mapping[str, ArrayLike | None]) -> Mapping[str, NDArray[np.generic]]:
    """The columns that are not ``None``, each as an array of the right type.

    Raises:
        ValueError: If they differ in length.
    """
    arrays = {
        name: np.ascontiguousarray(values, np.float32 if name in _SCORES else np.int32)
        for name, values in columns.items()
        if values is not None
    }
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"columns of shapes {found}; expected one value per row in each")
    return arrays


def _slices(text: str, starts: list[int], ends: list[int]) -> list[str]:
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _text_by_text(columns: Sequence[NDArray[np.generic]], bounds: NDArray[np.int64]) -> bytes:
    """All columns of the first text, then all of the second; text ``i`` owns ``[bounds[i], bounds[i + 1])``."""
    if len(bounds) == 2:
        return b"".join(column.tobytes() for column in columns)
    n_rows = np.diff(bounds)
    stride = np.repeat(n_rows, n_rows)
    place = np.arange(len(stride)) + np.repeat(bounds[:-1] * (len(columns) - 1), n_rows)
    packed = np.empty(len(stride) * len(columns), np.int32)
    for column in columns:
        packed[place] = column.view(np.int32)
        place += stride
    return packed.tobytes()


class Words(_Layer[Word]):
    """The words of one text, in order, as columns.

    Attributes:
        text: The text that the offsets index.
        starts: First character of each word, ``[words]``.
        ends: One past the last character, ``[words]``.
        pos_ids: Index of each word's tag in ``pos_labels``, ``[words]``; ``None`` without tags.
        pos_labels: The names of the tags.
        scores: Probability of each word's boundaries, ``[words]``, or ``None``.
        pos_scores: Probability of each word's tag, ``[words]``, or ``None``.
    """

    __slots__ = ()

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
        columns = {"starts": starts, "ends": ends, "pos_ids": pos_ids, "scores": scores, "pos_scores": pos_scores}
        self._pack(text, columns, pos_labels)

    @classmethod
    def of(cls, text: str, spans: Iterable[Sequence[int]], pos: Iterable[str] | None = None) -> Words:
        """Words from ``(start, end)`` pairs and, if known, one tag per word."""
        pairs = [(int(start), int(end)) for start, end, *_ in spans]
        starts, ends = zip(*pairs, strict=True) if pairs else ((), ())
        if pos is None:
            return cls(text, starts, ends)
        tags = list(pos)
        if len(tags) != len(pairs):
            raise ValueError(f"{len(tags)} tags for {len(pairs)} words; pass one tag per word")
        pos_ids, labels = _numbered(tags)
        return cls(text, starts, ends, pos_ids=pos_ids, pos_labels=labels)

    @classmethod
    def of_texts(
        cls,
        texts: Iterable[str],
        bounds: NDArray[np.int64],
        *,
        starts: ArrayLike,
        ends: ArrayLike,
        pos_ids: ArrayLike | None = None,
        pos_labels: Sequence[str] = (),
        scores: ArrayLike | None = None,
        pos_scores: ArrayLike | None = None,
    ) -> Iterator[Words]:
        """The words of each of several texts; text ``i`` owns the rows ``[bounds[i], bounds[i + 1])``.

        Offsets count from the beginning of the row's own text.
        """
        columns = {"starts": starts, "ends": ends, "pos_ids": pos_ids, "scores": scores, "pos_scores": pos_scores}
        return cls._split(texts, bounds, columns, pos_labels)

    @overload
    def __getitem__(self, index: int) -> Word: ...
    @overload
    def __getitem__(self, index: slice) -> Words: ...
    def __getitem__(self, index: int | slice) -> Word | Words:
        if isinstance(index, slice):
            return self._part(index)
        start, end = int(self.starts[index]), int(self.ends[index])
        pos_ids, scores, pos_scores = self.pos_ids, self.scores, self.pos_scores
        return Word(
            start,
            end,
            self.text[start:end],
            None if pos_ids is None else self.pos_labels[pos_ids[index]],
            None if scores is None else float(scores[index]),
            None if pos_scores is None else float(pos_scores[index]),
        )

    def __iter__(self) -> Iterator[Word]:
        lists, labels, nothing = self._lists(), self.pos_labels, repeat(None)
        starts, ends = lists["starts"], lists["ends"]
        pos = [labels[i] for i in lists["pos_ids"]] if "pos_ids" in lists else nothing
        scores = (lists.get(name, nothing) for name in ("scores", "pos_scores"))
        rows = zip(starts, ends, _slices(self.text, starts, ends), pos, *scores, strict=False)
        return map(_new, repeat(Word), rows)

    @property
    def pos_ids(self) -> IntArray | None:
        """Index of each word's tag in ``pos_labels``, ``[words]``; ``None`` without tags."""
        return self._ints("pos_ids")

    @property
    def pos_labels(self) -> tuple[str, ...]:
        """The names of the tags."""
        return self._layout.labels

    @property
    def pos_scores(self) -> FloatArray | None:
        """Probability of each word's tag, ``[words]``, if it was predicted."""
        return self._floats("pos_scores")

    @property
    def pos(self) -> list[str] | None:
        """One tag per word, or ``None`` without tags."""
        pos_ids, labels = self.pos_ids, self.pos_labels
        return None if pos_ids is None else [labels[i] for i in pos_ids.tolist()]

    def __repr__(self) -> str:
        return f"Words({' '.join(_short(text) for text in self[:_SHOWN].texts)}{' ...' if len(self) > _SHOWN else ''})"


class Spans(_Layer[Span]):
    """Labelled stretches of one text, in order, as columns.

    Attributes:
        text: The text that the offsets index.
        starts: First character of each span, ``[spans]``.
        ends: One past the last character, ``[spans]``.
        label_ids: Index of each span's label in ``labels``, ``[spans]``.
        labels: The names of the labels.
        scores: Probability of each span, ``[spans]``, or ``None``.
    """

    __slots__ = ()

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
        self._pack(text, {"starts": starts, "ends": ends, "label_ids": label_ids, "scores": scores}, labels)

    @classmethod
    def of(cls, text: str, spans: Iterable[tuple[int, int, str]]) -> Spans:
        """Spans from ``(start, end, label)`` triples."""
        rows = [(int(start), int(end), label) for start, end, label in spans]
        starts, ends, names = zip(*rows, strict=True) if rows else ((), (), ())
        label_ids, labels = _numbered(names)
        return cls(text, starts, ends, label_ids=label_ids, labels=labels)

    @classmethod
    def of_texts(
        cls,
        texts: Iterable[str],
        bounds: NDArray[np.int64],
        *,
        starts: ArrayLike,
        ends: ArrayLike,
        label_ids: ArrayLike,
        labels: Sequence[str],
        scores: ArrayLike | None = None,
    ) -> Iterator[Spans]:
        """The spans of each of several texts; see ``Words.of_texts``."""
        columns = {"starts": starts, "ends": ends, "label_ids": label_ids, "scores": scores}
        return cls._split(texts, bounds, columns, labels)

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> Spans: ...
    def __getitem__(self, index: int | slice) -> Span | Spans:
        if isinstance(index, slice):
            return self._part(index)
        start, end, scores = int(self.starts[index]), int(self.ends[index]), self.scores
        label = self.labels[self.label_ids[index]]
        return Span(start, end, self.text[start:end], label, None if scores is None else float(scores[index]))

    def __iter__(self) -> Iterator[Span]:
        lists, labels = self._lists(), self.labels
        starts, ends, names = lists["starts"], lists["ends"], [labels[i] for i in lists["label_ids"]]
        scores = lists.get("scores", repeat(None))
        rows = zip(starts, ends, _slices(self.text, starts, ends), names, scores, strict=False)
        return map(_new, repeat(Span), rows)

    @property
    def label_ids(self) -> IntArray:
        """Index of each span's label in ``labels``, ``[spans]``."""
        n = len(self)
        return np.frombuffer(self._packed, np.int32, n, 2 * _ITEM_BYTES * n)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels."""
        return self._layout.labels

    def __repr__(self) -> str:
        shown = ", ".join(f"{_short(span.text)} {span.label}" for span in self[:_SHOWN])
        return f"Spans({shown}{', ...' if len(self) > _SHOWN else ''})"


def _short(text: str) -> str:
    return repr(text if len(text) <= 20 else text[:17] + "...")


def _numbered(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """The index of each name, and the names in index order."""
    labels = sorted(set(names))
    index = {label: i for i, label in enumerate(labels)}
    return [index[name] for name in names], labels

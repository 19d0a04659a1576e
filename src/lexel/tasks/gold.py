"""Gold labels of pieces: the only module that maps annotated layers to a tokenizer's pieces.

Layers are annotated on characters, but models label pieces. Words and entities become *units* of pieces, in one column
of edges (does a unit begin here, does it end here) and one of types; the scheme turns these into a head's labels.
Prediction uses the same mapping: ``piece_of_char`` gives the piece of a character, and ``pieces_of_words`` the pieces
of a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.words import WordTable, pieces_of_words
from lexel.document import Spans, Words
from lexel.labels import LabelSet
from lexel.text.alignment import Chars, piece_of_char, read_chars
from lexel.text.pieces import Pieces

IGNORE = -100
"""The label of a piece that was not annotated; it does not count in the loss."""

BEGIN, END = 1, 2
"""Bits of an edge: the first piece of a unit, the last one; a unit of one piece is both."""

OUTSIDE = 4
"""The edge of a piece that is in no unit, though the layer was annotated."""

ABSENT = 255
"""The edge of a piece whose text does not have the layer."""

Int16Array = NDArray[np.int16]
EdgeArray = NDArray[np.uint8]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Units:
    """One layer on the pieces of some texts.

    Attributes:
        edges: ``BEGIN`` and ``END`` bits inside units, else ``OUTSIDE`` or ``ABSENT``, ``[pieces]``.
        types: Number of the unit's label, ``IGNORE`` where there is none, ``[pieces]``.
        n_lost: Units without a piece: their characters have none, or another unit has taken it.
    """

    edges: EdgeArray
    types: Int16Array
    n_lost: int


class PieceUnits:
    """Maps the layers of texts to their pieces."""

    def __init__(self, texts: Sequence[str], pieces: Pieces) -> None:
        self._pieces = pieces
        self._chars: Chars = read_chars(texts)
        self._owner = piece_of_char(self._chars, pieces)

    def words(self, layers: Sequence[Words | None], types: Sequence[IntArray | None]) -> Units:
        """The words of each text as units; the type is the number of the word's tag.

        Args:
            layers: The words of each text; ``None`` where they are not annotated.
            types: Number of each word's tag, ``[words]`` for each text; ``None`` where words have none.
        """
        return self._units(layers, types)

    def entities(self, layers: Sequence[Spans | None], types: Sequence[IntArray | None]) -> Units:
        """The entities of each text as units."""
        return self._units(layers, types)

    def spans(self, layers: Sequence[Spans | None]) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
        """First and last piece of each entity, and whether it has any, ``[spans]``; entities may overlap."""
        found = [(layer, shift) for layer, shift in zip(layers, self._chars.bounds, strict=False) if layer is not None]
        empty = np.zeros(0, np.int64)
        start = np.concatenate([empty, *(layer.starts + shift for layer, shift in found)])
        end = np.concatenate([empty, *(layer.ends + shift for layer, shift in found)])
        index, owned = np.arange(len(self._owner)), self._owner >= 0
        after = np.minimum.accumulate(np.where(owned, index, len(index))[::-1])[::-1]  # the next character with a piece
        before = np.maximum.accumulate(np.where(owned, index, -1))
        first, last = after[start], before[end - 1]
        has_piece = first <= last
        first, last = np.where(has_piece, first, 0), np.where(has_piece, last, 0)
        return self._owner[first].astype(np.int64), self._owner[last].astype(np.int64), has_piece

    def _units(
        self, layers: Sequence[Words | None] | Sequence[Spans | None], types: Sequence[IntArray | None]
    ) -> Units:
        there = np.array([layer is not None for layer in layers], np.bool_)
        counts = np.array([0 if layer is None else len(layer) for layer in layers], np.int64)
        text = np.repeat(np.arange(len(layers)), counts)
        shift = self._chars.bounds[:-1][text]
        empty = np.zeros(0, np.int64)
        start = np.concatenate([empty, *(layer.starts for layer in layers if layer is not None)]) + shift
        end = np.concatenate([empty, *(layer.ends for layer in layers if layer is not None)]) + shift
        numbers = np.concatenate(
            [empty, *(np.full(n, IGNORE) if t is None else t for n, t in zip(counts.tolist(), types, strict=True))]
        )
        first, last = pieces_of_words(WordTable(start, end, text), self._owner)
        edges, labels, n_lost = _marked(first, last, numbers, len(self._pieces))
        outside = np.repeat(np.where(there, OUTSIDE, ABSENT).astype(np.uint8), np.diff(self._pieces.bounds))
        return Units(np.where(edges == 0xFE, outside, edges), labels, n_lost)


def _marked(first: IntArray, end: IntArray, types: IntArray, n_pieces: int) -> tuple[EdgeArray, Int16Array, int]:
    """Edges (0xFE outside) and types of units in order; a piece belongs to the first unit that claims it."""
    covered = np.maximum.accumulate(np.append(0, end))[:-1] if len(end) else end
    first = np.maximum(first, covered)
    kept = end > first
    first, last, types = first[kept], end[kept] - 1, types[kept]
    sizes = last - first + 1
    inside = np.repeat(first - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
    edges = np.full(n_pieces, 0xFE, np.uint8)
    edges[inside] = 0
    edges[first] |= BEGIN
    edges[last] |= END
    labels = np.full(n_pieces, IGNORE, np.int16)
    labels[inside] = np.repeat(types, sizes)
    return edges, labels, int((~kept).sum())


def unit_labels(units: Units, label_set: LabelSet, *, type_ids: IntArray, bounds: IntArray) -> Int16Array:
    """The labels of units in a scheme, ``[pieces]``; ``IGNORE`` where the layer is absent.

    A piece outside units gets the set's outside label if there is one (entities), else none (white space between
    words).

    Args:
        units: A layer on pieces.
        label_set: The head's labels.
        type_ids: Index into the set's types of each unit type, ``[unit types]``; untyped sets take any.
        bounds: Where the pieces of each text begin and end, ``[texts + 1]``.
    """
    edges = units.edges
    inside = edges < OUTSIDE
    types = np.zeros(len(edges), np.int64)
    if label_set.types:
        known = inside & (units.types >= 0)
        types[known] = type_ids[units.types[known]]
        inside = known
    labels = np.full(len(edges), IGNORE, np.int16)
    labels[inside] = _table(label_set)[types[inside], _roles(edges, types, bounds, label_set.scheme)[inside]]
    outside = np.flatnonzero(label_set.outside)
    if len(outside):
        labels[edges == OUTSIDE] = outside[0]
    return labels


def word_labels(units: Units, *, label_ids: IntArray, word_label: str) -> Int16Array:
    """One label per word: at its first piece, or (``mean``) at all of its pieces, ``[pieces]``."""
    wanted = (units.edges < OUTSIDE) & (units.types >= 0)
    if word_label == "first":
        wanted &= (units.edges & BEGIN) > 0
    labels = np.full(len(units.edges), IGNORE, np.int16)
    labels[wanted] = label_ids[units.types[wanted]]
    return labels


def _roles(edges: EdgeArray, types: IntArray, bounds: IntArray, scheme: str) -> IntArray:
    """Edge bits as the scheme marks them: IOB1 and IOE1 mark only where units of one type touch, ``[pieces]``."""
    roles = (edges & (BEGIN | END)).astype(np.int64)
    if scheme not in ("IOB1", "IOE1"):
        return roles
    inside = edges < OUTSIDE
    touches = np.zeros(len(edges) + 1, np.bool_)
    touches[1:-1] = inside[1:] & inside[:-1] & (types[1:] == types[:-1]) & ((edges[1:] & BEGIN) > 0)
    touches[bounds] = False
    if scheme == "IOB1":
        return np.where(touches[:-1], BEGIN, 0)
    return np.where(touches[1:], END, 0)


def _table(label_set: LabelSet) -> IntArray:
    """Label for each type and edge bits, ``[types, 4]``; for a missing label, the nearest one in the set."""
    bits = label_set.begins * BEGIN + label_set.ends * END
    table = np.zeros((max(len(label_set.types), 1), 4), np.int64)
    for type_id in range(len(table)):
        labels = np.flatnonzero(label_set.inside & (label_set.type_ids == type_id))
        by_bits = {int(bits[label]): int(label) for label in labels[::-1]}
        for edge, order in enumerate(((0, 1, 2, 3), (1, 0, 3, 2), (2, 0, 3, 1), (3, 1, 2, 0))):
            table[type_id, edge] = next(by_bits[bit] for bit in order if bit in by_bits)
    return table

"""Replaces parts of a text, and adapts the offsets of words and entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.document import Document, Spans, Words

Ints = NDArray[np.int64]


class Replacement(NamedTuple):
    """Characters ``[start, end)`` of a text, and their replacement."""

    start: int
    end: int
    text: str


def replace_text(text: str, replacements: Sequence[Replacement]) -> str:
    """The text after replacements, which must be in order and must not overlap."""
    parts: list[str] = []
    done = 0
    for one in replacements:
        parts += (text[done : one.start], one.text)
        done = one.end
    return "".join((*parts, text[done:]))


def replace_spans(document: Document, replacements: Sequence[Replacement]) -> Document:
    """The document after replacements in its text.

    A word or entity that a replacement cuts is widened to the whole replacement; words inside one replacement become
    one word. Words and entities inside an empty replacement are removed.
    """
    if not replacements:
        return document
    text = replace_text(document.text, replacements)
    moved = _Moved(replacements)
    words = entities = nested = None
    if "words" in document.layers:
        words = _moved_words(document.words, text, moved)
    if "entities" in document.layers:
        entities = _moved_entities(document.entities, text, moved)
    if "nested" in document.layers:
        nested = _moved_entities(document.nested, text, moved)
    return Document(text, words, entities, id=document.id, nested=nested)


class _Moved:
    """Maps offsets of the old text to the new one."""

    def __init__(self, replacements: Sequence[Replacement]) -> None:
        self._starts = np.array([one.start for one in replacements], np.int64)
        self._ends = np.array([one.end for one in replacements], np.int64)
        sizes = np.array([len(one.text) for one in replacements], np.int64)
        self._shifts = np.concatenate(([0], np.cumsum(sizes - (self._ends - self._starts))))
        self._new_starts = self._starts + self._shifts[:-1]
        self._new_ends = self._new_starts + sizes

    def starts(self, offsets: NDArray[np.int32]) -> Ints:
        """The new offsets of starts."""
        which = np.searchsorted(self._starts, offsets, side="right") - 1
        inside = (which >= 0) & (offsets < self._ends[which])
        return np.where(inside, self._new_starts[which], offsets + self._shifts[which + 1])

    def ends(self, offsets: NDArray[np.int32]) -> Ints:
        """The new offsets of ends."""
        which = np.searchsorted(self._starts, offsets, side="left") - 1
        inside = (which >= 0) & (offsets <= self._ends[which])
        return np.where(inside, self._new_ends[which], offsets + self._shifts[which + 1])


def _moved_words(words: Words, text: str, moved: _Moved) -> Words:
    starts, ends = moved.starts(words.starts), moved.ends(words.ends)
    # all words in one replacement have its offsets now; keep the first, extended to the end of the last
    kept = (ends > starts) & (starts >= np.concatenate(([0], np.maximum.accumulate(ends)[:-1])))
    pos_ids, scores, pos_scores = words.pos_ids, words.scores, words.pos_scores
    return Words(
        text,
        starts[kept],
        ends[kept],
        pos_ids=None if pos_ids is None else pos_ids[kept],
        pos_labels=words.pos_labels,
        scores=None if scores is None else scores[kept],
        pos_scores=None if pos_scores is None else pos_scores[kept],
    )


def _moved_entities(entities: Spans, text: str, moved: _Moved) -> Spans:
    starts, ends = moved.starts(entities.starts), moved.ends(entities.ends)
    _, first = np.unique(np.stack((starts, ends, entities.label_ids)), axis=1, return_index=True)
    kept = np.sort(first)
    kept = kept[ends[kept] > starts[kept]]
    scores = entities.scores
    return Spans(
        text,
        starts[kept],
        ends[kept],
        label_ids=entities.label_ids[kept],
        labels=entities.labels,
        scores=None if scores is None else scores[kept],
    )

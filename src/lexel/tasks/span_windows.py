"""Collects the scores of spans window by window, while a block is computed.

A span is decided in the window in which its nearer end is farthest from a cut; of several such windows, the first.
Windows that share ``n`` pieces hold every span of up to ``n + 1`` pieces, so a longer span is found only if it happens
to lie in one window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.pointers import find_spans
from lexel.engines.base import Scores
from lexel.pointers import PointerForm
from lexel.tasks.framing import Layout, decided
from lexel.tasks.work import InOrder
from lexel.text.windows import Windows

IntArray = NDArray[np.int64]
_FAR = 1 << 40
"""Distance of the end of a text from a cut."""


@dataclass(frozen=True, slots=True)
class SpanHead:
    """The parts of a head that scoring spans needs."""

    form: PointerForm
    n_labels: int


class SpanCollector:
    """Keeps spans above a threshold, and all scores of other heads in order; see ``Collector``.

    The scores of all pieces of a window must arrive together.

    Args:
        layout: The windows of the block.
        heads: The heads for spans by output.
        widths: The width of each of the other outputs.
        threshold: The score (before a sigmoid) that a span must exceed.
    """

    def __init__(
        self, layout: Layout, heads: Mapping[str, SpanHead], widths: Mapping[str, int], *, threshold: float
    ) -> None:
        self._layout = layout
        self._heads = heads
        self._threshold = threshold
        self._decided = decided(layout)
        self._others = InOrder(self._decided, widths)
        self._widths = widths
        self._found: dict[str, list[NDArray[np.float64]]] = {name: [np.zeros((0, 4))] for name in heads}

    def receive(self, scores: Scores, slots: IntArray) -> None:
        """See ``Collector.receive``."""
        kept = self._decided[slots]
        self._others.receive({name: scores[name][kept] for name in self._widths}, slots[kept])
        order = np.argsort(slots, kind="stable")
        window = self._layout.window[slots[order]]
        for rows in np.split(order, np.flatnonzero(np.diff(window)) + 1):
            if len(rows):
                self._add(scores, rows, slots[rows])

    def _add(self, scores: Scores, rows: IntArray, slots: IntArray) -> None:
        """The spans of one window."""
        window, pieces = int(self._layout.window[slots[0]]), self._layout.piece[slots].astype(np.int64)
        for name, head in self._heads.items():
            label, first, last, worth = find_spans(
                scores[name][rows], head.form, n_labels=head.n_labels, threshold=self._threshold
            )
            first, end = pieces[first], pieces[last] + 1
            own = are_decided(self._layout.windows, window, first, end)
            self._found[name].append(np.stack((first, end, label, worth), axis=1).astype(np.float64)[own])

    def result(self) -> Scores:
        """For a head for spans, one row per span: first piece, one past the last, label, score; in order of place."""
        spans = {name: np.concatenate(parts) for name, parts in self._found.items()}
        ordered = {name: rows[np.lexsort((rows[:, 2], -rows[:, 1], rows[:, 0]))] for name, rows in spans.items()}
        return {**self._others.result(), **ordered}


def are_decided(windows: Windows, window: int, first: IntArray, end: IntArray) -> NDArray[np.bool_]:
    """Whether spans of a window are decided there, and not in a neighbour that also holds them, ``[spans]``.

    Args:
        windows: All windows.
        window: The window of the spans.
        first: First piece of each, ``[spans]``.
        end: One past its last piece, ``[spans]``.
    """
    own = _context(windows, window, first, end)
    found = np.ones(len(first), np.bool_)
    for step in (-1, 1):
        other = window + step
        while 0 <= other < len(windows) and windows.text[other] == windows.text[window]:
            if windows.end[other] <= windows.start[window] or windows.start[other] >= windows.end[window]:
                break
            theirs = _context(windows, other, first, end)
            found &= (own > theirs) | ((own == theirs) & (step > 0))
            other += step
    return found


def _context(windows: Windows, window: int, first: IntArray, end: IntArray) -> IntArray:
    """Pieces between a span and the nearer cut of a window, ``[spans]``; negative if the window does not hold it."""
    text = windows.text
    left, right = first - windows.start[window], windows.end[window] - end
    held = (left >= 0) & (right >= 0)
    if window == 0 or text[window - 1] != text[window]:
        left = np.full_like(left, _FAR)
    if window + 1 == len(text) or text[window + 1] != text[window]:
        right = np.full_like(right, _FAR)
    return np.where(held, np.minimum(left, right), -1)

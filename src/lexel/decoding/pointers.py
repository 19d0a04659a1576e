"""Scores spans from queries and keys, and selects those above a threshold, or the best without overlaps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.pointers import PointerForm

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int64]

ROTARY_BASE = 10_000.0
BLOCK = 1 << 22
"""Number of scores that are computed at a time."""


def span_scores(outputs: FloatArray, form: PointerForm, *, n_labels: int) -> FloatArray:
    """The score of each span of one sequence before a sigmoid, ``[labels, pieces, pieces]``.

    If the last piece is before the first, the number has no meaning.

    Args:
        outputs: What the head gives for the pieces of the sequence in order, ``[pieces, width]``.
        form: How it is built.
        n_labels: How many labels it has.
    """
    return _Parts.of(outputs, form, n_labels=n_labels).scores(slice(None), slice(None))


def find_spans(
    outputs: FloatArray, form: PointerForm, *, n_labels: int, threshold: float
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """The spans of one sequence with a score above a threshold; memory does not grow with the square of its length.

    Args:
        outputs: What the head gives for the pieces of the sequence in order, ``[pieces, width]``.
        form: How it is built.
        n_labels: How many labels it has.
        threshold: The score before a sigmoid that a span must exceed.

    Returns:
        Label, first piece, last piece and score of each, ``[spans]``.
    """
    parts, n = _Parts.of(outputs, form, n_labels=n_labels), len(outputs)
    size = max(BLOCK // max(n_labels * n, 1), 1)
    found = []
    for start in range(0, n, size):
        scores = parts.scores(slice(start, start + size), slice(start, None))
        label, first, last = np.unravel_index(np.flatnonzero(scores > threshold), scores.shape)
        forward = first <= last
        label, first, last = label[forward], first[forward], last[forward]
        found.append((label, first + start, last + start, scores[label, first, last]))
    if not found:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing, np.zeros(0, outputs.dtype)
    labels, firsts, lasts, worths = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return labels, firsts, lasts, worths


class _Parts(NamedTuple):
    """The parts of scores: queries and keys ``[labels or 1, pieces, size]``, biases ``[labels, pieces]``."""

    queries: FloatArray
    keys: FloatArray
    firsts: FloatArray | None
    lasts: FloatArray | None

    @classmethod
    def of(cls, outputs: FloatArray, form: PointerForm, *, n_labels: int) -> _Parts:
        n, size = len(outputs), form.size
        n_pairs = n_labels if form.kind == "global-pointer" else 1
        pairs = outputs[:, : 2 * size * n_pairs].reshape(n, n_pairs, 2, size).transpose(2, 1, 0, 3)
        pairs = np.ascontiguousarray(pairs)  # products in other layouts take ten times as long
        queries, keys = (turned(part) if form.rotary else part for part in pairs)
        queries = queries / outputs.dtype.type(np.sqrt(size))
        if form.kind == "global-pointer":
            return cls(queries, keys, None, None)
        return cls(queries, keys, *outputs[:, 2 * size :].reshape(n, 2, n_labels).transpose(1, 2, 0))

    def scores(self, first: slice, last: slice) -> FloatArray:
        """The scores of some first and some last pieces, ``[labels, firsts, lasts]``."""
        products: FloatArray = self.queries[:, first] @ self.keys[:, last].swapaxes(1, 2)
        if self.firsts is None or self.lasts is None:
            return products
        return products + self.firsts[:, first, None] + self.lasts[:, None, last]


def turned(x: FloatArray) -> FloatArray:
    """Neighbouring pairs of numbers, rotated by the angles of their positions, ``[..., pieces, size]``."""
    n, size = x.shape[-2:]
    rates = ROTARY_BASE ** (-2 * np.arange(size // 2) / size)
    angles = np.arange(n)[:, None] * rates
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    found = np.empty_like(x)
    found[..., ::2] = even * cos - odd * sin
    found[..., 1::2] = odd * cos + even * sin
    return found


def best_apart(starts: IntArray, ends: IntArray, worths: FloatArray) -> IntArray:
    """The spans with the largest sum of worths among all sets without overlaps, by index in order of place.

    It is exact (dynamic programming): for each span in order of ends, the best set is the better of the best set
    without it, and the span together with the best set of those that end before it starts.

    Args:
        starts: First place of each, ``[spans]``.
        ends: One past its last place, ``[spans]``.
        worths: The worth of each, above 0, ``[spans]``.
    """
    order = np.lexsort((starts, ends))
    before = np.searchsorted(ends[order], starts[order], side="right").tolist()
    best, taken = [0.0], []
    for i, (span, n_before) in enumerate(zip(order.tolist(), before, strict=True)):
        with_it = best[n_before] + float(worths[span])
        taken.append(with_it > best[i])
        best.append(max(with_it, best[i]))
    chosen, i = [], len(order)
    while i:
        if taken[i - 1]:
            chosen.append(int(order[i - 1]))
            i = before[i - 1]
        else:
            i -= 1
    return np.array(chosen[::-1], np.int64)

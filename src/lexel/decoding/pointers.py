"""Spans from queries and keys: their scores, those above a threshold, and the best that do not overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.pointers import PointerForm

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int64]

ROTARY_BASE = 10_000.0


def span_scores(outputs: FloatArray, form: PointerForm, *, n_labels: int) -> FloatArray:
    """The score of each span of one sequence before a sigmoid, ``[labels, pieces, pieces]``.

    Where the last piece stands before the first, the number means nothing.

    Args:
        outputs: What the head gives for the pieces of the sequence in order, ``[pieces, width]``.
        form: How it is built.
        n_labels: How many labels it has.
    """
    n = len(outputs)
    if form.kind == "global-pointer":
        pairs = outputs.reshape(n, n_labels, 2, form.size).transpose(2, 1, 0, 3)
    else:
        pairs = outputs[:, : 2 * form.size].reshape(n, 1, 2, form.size).transpose(2, 1, 0, 3)
    queries, keys = (turned(part) if form.rotary else part for part in pairs)
    products: FloatArray = queries @ keys.swapaxes(1, 2) / outputs.dtype.type(np.sqrt(form.size))
    if form.kind == "global-pointer":
        return products
    firsts, lasts = outputs[:, 2 * form.size :].reshape(n, 2, n_labels).transpose(1, 2, 0)
    return products + firsts[:, :, None] + lasts[:, None, :]


def turned(x: FloatArray) -> FloatArray:
    """Neighbouring pairs of numbers turned by the angles of their positions, ``[..., pieces, size]``."""
    n, size = x.shape[-2:]
    rates = ROTARY_BASE ** (-2 * np.arange(size // 2) / size)
    angles = np.arange(n)[:, None] * rates
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    found = np.empty_like(x)
    found[..., ::2] = even * cos - odd * sin
    found[..., 1::2] = odd * cos + even * sin
    return found


def spans_above(scores: FloatArray, threshold: float) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """The spans whose score is above a threshold: label, first piece, last piece and score of each, ``[spans]``.

    Args:
        scores: What ``span_scores`` gave, ``[labels, pieces, pieces]``.
        threshold: The score that a span must be above.
    """
    label, first, last = np.nonzero(scores > threshold)
    forward = first <= last
    label, first, last = label[forward], first[forward], last[forward]
    return label, first, last, scores[label, first, last]


def best_apart(starts: IntArray, ends: IntArray, worths: FloatArray) -> IntArray:
    """The spans that have the largest sum of worths among all sets without an overlap, by index in order of place.

    Exact: the best set of the spans that end up to a place is, for each span in order of ends, the better of the best
    set without it, and it with the best set of those that end before it starts.

    Args:
        starts: First place of each, ``[spans]``.
        ends: One past its last place, ``[spans]``.
        worths: What each is worth, above 0, ``[spans]``.
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

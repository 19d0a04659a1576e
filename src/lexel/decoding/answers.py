"""Finds answers as spans of pieces: searches all pairs of a start and an end up to a maximum length at once.

The spans of a text are entries of a *band*: row i holds those that start at piece i, column k those of k + 1 pieces.
A span's score is that of its start plus that of its end, as in BERT's paper
(https://arxiv.org/abs/1810.04805, section 4.2). Time and memory grow with pieces times the longest answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Reach = Callable[[int, int], tuple[int, int]]
"""Maps a span of pieces ``[first, end)`` to all pieces ``[low, high)`` that its answer overlaps."""


class WindowScores(NamedTuple):
    """A head's scores for one window of a text.

    Attributes:
        first: Index in the text of the window's first piece.
        scores: Scores of each piece as the first and as the last of the answer, ``[pieces, 2]``.
    """

    first: int
    scores: FloatArray


def band_of(scores: FloatArray, *, longest: int) -> FloatArray:
    """The scores of all spans of a window, ``[pieces, longest]``; -inf for those beyond its end.

    Args:
        scores: Scores of each piece as the first and as the last, ``[pieces, 2]``.
        longest: Maximum number of pieces in a span.
    """
    ends = np.concatenate((scores[:, 1], np.full(longest, -np.inf, scores.dtype)))
    return np.asarray(scores[:, :1] + np.lib.stride_tricks.sliding_window_view(ends, longest)[: len(scores)])


def join_windows(windows: Iterable[WindowScores], *, n_pieces: int, longest: int) -> FloatArray:
    """The band of a text that was read in windows: a span has its best score among the windows that contain it.

    A span that no window contains is -inf, ``[pieces, longest]``.
    """
    joined = np.full((n_pieces, longest), -np.inf, np.float32)
    for first, scores in windows:
        rows = joined[first : first + len(scores)]
        np.maximum(rows, band_of(scores, longest=longest), out=rows)
    return joined


def rule_out(
    band: FloatArray, starts: NDArray[np.integer], ends: NDArray[np.integer], *, max_chars: int | None = None
) -> None:
    """Set spans without characters, or with more than ``max_chars``, to -inf, in place.

    Args:
        band: The scores of spans, ``[pieces, longest]``.
        starts: First character of each piece, ``[pieces]``.
        ends: One past its last character, ``[pieces]``.
        max_chars: Maximum number of characters in an answer; ``None`` for no limit.
    """
    longest = band.shape[1]
    last = np.concatenate((ends, np.zeros(longest, ends.dtype)))
    sizes = np.lib.stride_tricks.sliding_window_view(last, longest)[: len(ends)] - starts[:, None]
    band[(sizes <= 0) | (sizes > (np.inf if max_chars is None else max_chars))] = -np.inf


def log_total(band: FloatArray, null: float) -> float:
    """Logarithm of the sum of exponentials over all spans and the null answer: the denominator of probabilities."""
    highest = max(float(band.max(initial=-np.inf)), null)
    return highest + float(np.log(np.exp(band - highest).sum(dtype=np.float64) + np.exp(null - highest)))


def take_best(band: FloatArray, *, n: int, reach: Reach) -> list[tuple[int, int, float]]:
    """The best spans without overlaps, as (first piece, one past the last, score), best first.

    Args:
        band: The scores of spans, ``[pieces, longest]``; selected spans, and those that overlap them, become -inf.
        n: Maximum number of spans.
        reach: The pieces that an answer overlaps.
    """
    found: list[tuple[int, int, float]] = []
    longest = band.shape[1]
    while len(found) < n and band.size:
        first, more = divmod(int(band.argmax()), longest)
        score = float(band[first, more])
        if score == -np.inf:
            break
        found.append((first, first + more + 1, score))
        low, high = reach(first, first + more + 1)
        top = max(low - longest + 1, 0)
        touching = np.arange(top, high)[:, None] + np.arange(longest) >= low
        band[top:high][touching] = -np.inf
    return found

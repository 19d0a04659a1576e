"""Answers that are spans of pieces: every pair of a start and an end that is not too long, searched at once.

The spans of a text are entries of a *band*: row i holds those that start at piece i, column k those of k + 1 pieces.
A span's score is that of its start plus that of its end, as BERT's paper has it
(https://arxiv.org/abs/1810.04805, section 4.2). Time and memory grow with pieces times the longest answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Reach = Callable[[int, int], tuple[int, int]]
"""From a span of pieces ``[first, end)`` to all the pieces ``[low, high)`` that its answer touches."""


class WindowScores(NamedTuple):
    """What a head says of one window of a text.

    Attributes:
        first: Index in the text of the window's first piece.
        scores: Score of each piece to be the answer's first and its last, ``[pieces, 2]``.
    """

    first: int
    scores: FloatArray


def band_of(scores: FloatArray, *, longest: int) -> FloatArray:
    """The scores of all spans of a window, ``[pieces, longest]``; -inf for those that reach over its end.

    Args:
        scores: Score of each piece to be the first and the last, ``[pieces, 2]``.
        longest: Most pieces of a span.
    """
    ends = np.concatenate((scores[:, 1], np.full(longest, -np.inf, scores.dtype)))
    return np.asarray(scores[:, :1] + np.lib.stride_tricks.sliding_window_view(ends, longest)[: len(scores)])


def join_windows(windows: Iterable[WindowScores], *, n_pieces: int, longest: int) -> FloatArray:
    """The band of a text that was read in windows: a span has its best score among the windows that hold it whole.

    A span that no window holds is -inf, ``[pieces, longest]``.
    """
    joined = np.full((n_pieces, longest), -np.inf, np.float32)
    for first, scores in windows:
        rows = joined[first : first + len(scores)]
        np.maximum(rows, band_of(scores, longest=longest), out=rows)
    return joined


def rule_out(
    band: FloatArray, starts: NDArray[np.integer], ends: NDArray[np.integer], *, max_chars: int | None = None
) -> None:
    """Set to -inf, in place, the spans that hold no character, or more than ``max_chars``.

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
    """Logarithm of the sum of exponentials over all spans and the null answer: what probabilities are relative to."""
    highest = max(float(band.max(initial=-np.inf)), null)
    return highest + float(np.log(np.exp(band - highest).sum(dtype=np.float64) + np.exp(null - highest)))


def take_best(band: FloatArray, *, n: int, reach: Reach) -> list[tuple[int, int, float]]:
    """The best spans, none of which touches another, as (first piece, one past the last, score), best first.

    Args:
        band: The scores of spans, ``[pieces, longest]``; spans that are taken, or touch these, become -inf in it.
        n: Most spans.
        reach: Which pieces an answer touches.
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

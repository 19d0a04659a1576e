"""Scores over a whole vocabulary, brought down to the few numbers that are wanted, before the next batch comes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.masks import Ids, LogProbs

Scores = NDArray[np.floating[Any]]
_GROUP = 64
"""Pieces looked at together while the best are searched."""


def log_normalisers(scores: Scores) -> NDArray[np.float64]:
    """What to take off scores to have log-probabilities, ``[picks]`` for ``scores [picks, vocab]``.

    The largest score is taken out before the exponential and the sum is in float64, so nothing overflows.
    """
    highest = scores.max(axis=1, keepdims=True)
    powers = np.subtract(scores, highest)
    np.exp(powers, out=powers)
    normalisers: NDArray[np.float64] = np.log(powers.sum(axis=1, dtype=np.float64)) + highest[:, 0]
    return normalisers


def top_pieces(scores: Scores, k: int) -> tuple[Ids, LogProbs]:
    """The best pieces of each row, best first; the lower index first of equals.

    Args:
        scores: Scores ``[picks, vocab]``; minus infinity where a piece is not allowed.
        k: How many.

    Returns:
        Their indexes ``[picks, k]`` and scores ``[picks, k]``; fewer if the vocabulary is smaller.
    """
    k = min(k, scores.shape[1])
    found = _candidates(scores, k)
    values = np.take_along_axis(scores, found, axis=1)
    order = np.lexsort((found, -values), axis=1)[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)


def _candidates(scores: Scores, k: int) -> Ids:
    """Indexes among which the ``k`` best are, ``[picks, candidates]``: those of the groups with the ``k`` best maxima.

    A vocabulary has hundreds of groups, so this looks at each score once, and selects among few.
    """
    n_picks, n_pieces = scores.shape
    n_groups = n_pieces // _GROUP
    if n_groups <= k:
        return np.broadcast_to(np.arange(n_pieces), scores.shape)
    whole = n_groups * _GROUP
    maxima = scores[:, :whole].reshape(n_picks, n_groups, _GROUP).max(axis=2)
    groups = np.argpartition(maxima, n_groups - k, axis=1)[:, n_groups - k :]
    inside = (groups[:, :, None] * _GROUP + np.arange(_GROUP)).reshape(n_picks, k * _GROUP)
    rest = np.broadcast_to(np.arange(whole, n_pieces), (n_picks, n_pieces - whole))
    return np.concatenate((inside, rest), axis=1)

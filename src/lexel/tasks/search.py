"""Exact nearest-neighbour search: one matrix product, and the best of each row.

There is no index and no approximation. Vectors may be on disk (``np.memmap``); they are read in parts, so memory use
stays constant.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.tasks.pooling import normalise

Metric = Literal["cosine", "dot"]
METRICS: tuple[Metric, ...] = ("cosine", "dot")
_STRETCH_BYTES = 64 << 20

Floats = NDArray[np.float32]


class Nearest(NamedTuple):
    """The best rows of each query, best first: ``rows [queries, k]`` and their ``scores [queries, k]``."""

    rows: NDArray[np.int64]
    scores: Floats


def find_nearest(
    vectors: Floats, queries: Floats, *, top_k: int = 10, metric: Metric = "cosine", is_normalised: bool = False
) -> Nearest:
    """The ``top_k`` vectors nearest to each query; of equals, the earlier row comes first.

    Args:
        vectors: ``[rows, dims]``.
        queries: ``[queries, dims]``.
        top_k: Number of results; fewer if there are fewer rows.
        metric: ``cosine``, or ``dot`` for models that were trained with it.
        is_normalised: Whether all vectors have length 1, so that their lengths need not be computed for ``cosine``.

    Raises:
        ValueError: If the widths differ, or an argument has a value that it cannot have.
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; expected one of {', '.join(METRICS)}")
    if top_k < 1:
        raise ValueError(f"top_k is {top_k}; expected 1 or more")
    if vectors.ndim != 2 or queries.ndim != 2 or vectors.shape[1] != queries.shape[1]:
        raise ValueError(f"vectors {vectors.shape}, queries {queries.shape}; expected [n, dims] with the same dims")
    queries = np.ascontiguousarray(normalise(queries) if metric == "cosine" else queries, np.float32)
    best = Nearest(np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32))
    step = max(1, _STRETCH_BYTES // (4 * max(vectors.shape[1], len(queries))))
    for start in range(0, len(vectors), step):
        part = np.asarray(vectors[start : start + step])
        scores = queries @ part.T
        if metric == "cosine" and not is_normalised:
            scores /= np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), 1e-12)
        best = _merge(best, _best_of(scores, start, top_k), top_k)
    return best


def _best_of(scores: Floats, first_row: int, top_k: int) -> Nearest:
    """The best columns of each row of ``scores``, not sorted by score; of equals, the earlier column."""
    if scores.shape[1] > top_k:
        bar = np.partition(scores, -top_k, axis=1)[:, -top_k]
        picked = np.empty((len(scores), top_k), np.int64)
        for i, (row, least) in enumerate(zip(scores, bar, strict=True)):
            picked[i] = _at_least(row, least, top_k)
    else:
        picked = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return Nearest(picked + first_row, np.take_along_axis(scores, picked, axis=1))


def _at_least(scores: Floats, least: float, top_k: int) -> NDArray[np.int64]:
    """The ``top_k`` columns with at least this score, ascending; of those with exactly this score, the first."""
    above = np.flatnonzero(scores > least)
    at = np.flatnonzero(scores == least)[: top_k - len(above)]
    return np.sort(np.concatenate((above, at)))


def _merge(left: Nearest, right: Nearest, top_k: int) -> Nearest:
    rows = np.concatenate((left.rows, right.rows), axis=1)
    scores = np.concatenate((left.scores, right.scores), axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]  # the left has the earlier rows
    return Nearest(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))

"""Do scores say how often a prediction is right? Reliability by bins, and the expected calibration error.

Of predictions with a score of 0.8 four in five should be right. Guo et al. 2017, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.metrics.scores import ratio

N_BINS = 15
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Scores against how often they are right, in bins of equal width over [0, 1].

    Attributes:
        expected_error: Expected calibration error: how far share right and mean score of a bin lie apart, in the mean
            over predictions.
        counts: Predictions in each bin.
        mean_scores: Their mean score; 0 in an empty bin.
        shares_right: The share of them that is right; 0 in an empty bin.
    """

    expected_error: float
    counts: list[int]
    mean_scores: list[float]
    shares_right: list[float]


def bin_scores(scores: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = N_BINS) -> FloatArray:
    """Number, sum of scores and number right of each bin, ``[bins, 3]``; sums of several parts can be added.

    A score on an edge belongs to the bin below; 0 to the first.
    """
    values = np.asarray(scores, np.float64)
    bins = np.clip(np.ceil(values * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    weights: tuple[FloatArray | None, ...] = (None, values, correct.astype(np.float64))
    return np.stack([np.bincount(bins, weight, minlength=n_bins) for weight in weights], axis=-1).astype(np.float64)


def reliability_of(binned: FloatArray) -> Reliability:
    """The reliability that binned scores show."""
    counts, score_sums, right = binned.T
    gaps = np.abs(score_sums - right).sum()
    return Reliability(
        expected_error=float(ratio(gaps, counts.sum())),
        counts=counts.astype(int).tolist(),
        mean_scores=ratio(score_sums, counts).tolist(),
        shares_right=ratio(right, counts).tolist(),
    )

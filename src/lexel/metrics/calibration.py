"""Measures how well scores match the share of right predictions, and calibrates them.

Four in five predictions with a score of 0.8 should be right. Guo et al. 2017, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.metrics.scores import ratio

N_BINS = 15
EPSILON = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds are infinite."""

_LEAST_SCALE = 0.05
_MOST_STEPS = 100
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Scores compared with the share of right predictions, in bins of equal width over [0, 1].

    Attributes:
        expected_error: Expected calibration error: the difference between the share right and the mean score of a bin,
            averaged over predictions.
        counts: Predictions in each bin.
        mean_scores: Their mean score; 0 in an empty bin.
        shares_right: Their share of right ones; 0 in an empty bin.
    """

    expected_error: float
    counts: list[int]
    mean_scores: list[float]
    shares_right: list[float]


def bin_scores(scores: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = N_BINS) -> FloatArray:
    """Count, sum of scores and number right for each bin, ``[bins, 3]``; results of several parts can be added.

    A score on an edge belongs to the bin below; 0 belongs to the first bin.
    """
    values = np.asarray(scores, np.float64)
    bins = np.clip(np.ceil(values * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    weights: tuple[FloatArray | None, ...] = (None, values, correct.astype(np.float64))
    return np.stack([np.bincount(bins, weight, minlength=n_bins) for weight in weights], axis=-1).astype(np.float64)


def reliability_of(binned: FloatArray) -> Reliability:
    """The reliability of binned scores."""
    counts, score_sums, right = binned.T
    gaps = np.abs(score_sums - right).sum()
    return Reliability(
        expected_error=float(ratio(gaps, counts.sum())),
        counts=counts.astype(int).tolist(),
        mean_scores=ratio(score_sums, counts).tolist(),
        shares_right=ratio(right, counts).tolist(),
    )


def log_odds(scores: NDArray[np.floating]) -> FloatArray:
    """Log-odds of probabilities, ``[...]``."""
    bounded = np.clip(np.asarray(scores, np.float64), EPSILON, 1 - EPSILON)
    return np.asarray(np.log(bounded) - np.log1p(-bounded))


def calibrated(scores: NDArray[np.float32], *, scale: float, shift: float) -> NDArray[np.float32]:
    """Probabilities whose log-odds are scaled and shifted, ``[...]``; in the same order if the scale is above 0."""
    if (scale, shift) == (1.0, 0.0):
        return scores
    return (1 / (1 + np.exp(-(scale * log_odds(scores) + shift)))).astype(np.float32)


def fit_platt(scores: NDArray[np.floating], correct: NDArray[np.bool_]) -> tuple[float, float]:
    """The scale and shift of log-odds with which scores best match the share of right predictions.

    Platt 1999: logistic regression on the log-odds, with smoothed targets so that few predictions do not lead to
    extreme values. The scale stays above 0, so the order of scores is unchanged.

    Args:
        scores: Probabilities, ``[predictions]``.
        correct: Whether the prediction is right, ``[predictions]``.
    """
    n_right = int(correct.sum())
    n_wrong = len(correct) - n_right
    targets = np.where(correct, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    features = np.stack([log_odds(scores), np.ones(len(scores))])
    weights = np.array([1.0, 0.0])
    for _ in range(_MOST_STEPS):
        probs = 1 / (1 + np.exp(-weights @ features))
        gradient = features @ (probs - targets)
        hessian = (features * probs * (1 - probs)) @ features.T + 1e-6 * np.eye(2)
        step = np.clip(np.linalg.solve(hessian, gradient), -1, 1)
        weights = np.array([max(weights[0] - step[0], _LEAST_SCALE), weights[1] - step[1]])
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def best_threshold(scores: NDArray[np.floating], correct: NDArray[np.bool_], *, n_gold: int) -> float:
    """The lowest score to keep for the best F1, halfway to the next lower one; 0 if all predictions are kept.

    Args:
        scores: Scores of the predictions, ``[predictions]``.
        correct: Whether the prediction is right, ``[predictions]``.
        n_gold: The number of gold items.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    ranked, right = np.asarray(scores, np.float64)[order], np.cumsum(correct[order])
    f1 = 2 * right / (np.arange(1, len(ranked) + 1) + n_gold)
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # equal scores are kept or dropped together
    n_kept = len(f1) - int(np.argmax(f1[::-1])) if len(f1) else 0  # of several best, the one that keeps the most
    return 0.0 if n_kept == len(ranked) else float((ranked[n_kept - 1] + ranked[n_kept]) / 2)

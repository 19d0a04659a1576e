"""Precision, recall and F1 from counts, and the dataclasses of reports.

A ratio with denominator 0 is 0, as in conlleval, seqeval and the CoNLL scorers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

GOLD, PREDICTED, CORRECT = 0, 1, 2
"""The columns of the last axis of counts."""


class Rates(NamedTuple):
    """Precision, recall and F1, each with the shape of the counts without the last axis."""

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray


def ratio(part: ArrayLike, whole: ArrayLike) -> FloatArray:
    """``part / whole``, and 0 where ``whole`` is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    quotient: FloatArray = np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)
    return quotient


def rates_of(counts: NDArray[np.integer] | FloatArray) -> Rates:
    """Rates from counts of gold, predicted and correct spans, ``[..., 3]``."""
    gold, predicted, correct = (counts[..., i] for i in (GOLD, PREDICTED, CORRECT))
    return Rates(ratio(correct, predicted), ratio(correct, gold), ratio(2 * correct, gold + predicted))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score of all documents, and its interval, which contains 95 % of the bootstrap samples.

    Attributes:
        value: The score of the original data.
        low: Lower end of the interval; ``None`` if none was requested.
        high: Its upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SpanScore:
    """Precision, recall and F1 with their counts."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    n_gold: int
    n_predicted: int
    n_correct: int

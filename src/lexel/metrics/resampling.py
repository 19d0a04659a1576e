"""Confidence intervals and significance tests: bootstrap over documents, and McNemar's test.

Documents are sampled, not words, because words of one document are not independent. Every score is a function of sums
of counts per document, so a sample costs one row of a matrix product. The same seed draws the same documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEVEL = 0.95
_CHUNK_DRAWS = 1 << 22


def resample(counts: NDArray[np.integer] | FloatArray, *, n_samples: int, seed: int) -> FloatArray:
    """Sums of the counts of documents drawn with replacement, ``[samples, columns]``.

    Args:
        counts: The counts of each document, ``[documents, columns]``.
        n_samples: The number of samples, each as large as the data.
        seed: The random seed.
    """
    n_documents = len(counts)
    if not n_documents:
        return np.zeros((n_samples, counts.shape[1]))
    values = counts.astype(np.float64)
    return np.concatenate([drawn @ values for drawn in _draws(n_documents, n_samples, seed)] or [values[:0]])


def _draws(n_documents: int, n_samples: int, seed: int) -> Iterator[FloatArray]:
    """How often each document is drawn, a few samples at a time, ``[some samples, documents]``."""
    random = np.random.default_rng(seed)
    step = max(1, _CHUNK_DRAWS // n_documents)
    for first in range(0, n_samples, step):
        n_rows = min(step, n_samples - first)
        drawn = random.integers(n_documents, size=(n_rows, n_documents))
        cells = (drawn + np.arange(n_rows)[:, None] * n_documents).ravel()
        yield np.bincount(cells, minlength=n_rows * n_documents).reshape(n_rows, n_documents).astype(np.float64)


def interval(values: FloatArray, *, level: float = LEVEL) -> tuple[FloatArray, FloatArray]:
    """The lower and upper ends, ``[...]``, of the percentile interval over samples ``[samples, ...]``."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, (tail, 1 - tail), axis=0)
    return low, high


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between two systems.

    Attributes:
        value: First score minus the second, on all documents.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        p_value: Two-sided: how often a difference of either sign would occur if there were none.
    """

    value: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    *,
    score: Callable[[FloatArray], FloatArray],
    n_samples: int,
    seed: int,
) -> Difference:
    """Compare two systems on the same documents; each sample draws the same ones for both.

    Args:
        first: Counts of the first system, ``[documents, columns]``.
        second: Counts of the second, of the same shape.
        score: Maps sums of counts, ``[samples, columns]``, to scores, ``[samples]``.
        n_samples: The number of samples.
        seed: The random seed.

    Raises:
        ValueError: If their shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"counts of {first.shape} and {second.shape}; expected the same documents and columns")
    n_columns = first.shape[1]
    both = np.concatenate((first, second), axis=1).astype(np.float64)
    sums = np.concatenate((both.sum(axis=0, keepdims=True), resample(both, n_samples=n_samples, seed=seed)))
    differences = score(sums[:, :n_columns]) - score(sums[:, n_columns:])
    drawn = differences[1:]
    low, high = interval(drawn)
    rarer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p_value = min(1.0, 2 * (rarer + 1) / (n_samples + 1))
    return Difference(float(differences[0]), float(low), float(high), p_value)


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Two-sided p-value of McNemar's exact test of whether two systems are right equally often.

    Only items that exactly one system gets right count; without a difference, each is a fair coin toss.

    Args:
        first: Whether the first system is right on each item, ``[items]``.
        second: The same for the second.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n_items, rarer = only_first + only_second, min(only_first, only_second)
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n_items + 1)))))
    k = np.arange(rarer + 1)
    logs = log_factorials[n_items] - log_factorials[k] - log_factorials[n_items - k] - n_items * np.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, corrected to bound the probability of any false positive.

    Holm 1979, https://www.jstor.org/stable/4615733: the smallest is multiplied by the number of comparisons, the next
    by one less, and so on; none is lower than the previous one.
    """
    adjusted, highest = list(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted

"""Scores of whole texts: one class, several labels, or a number per text.

One class per text is the special case of several labels with exactly one set. So both are counted as indicators,
``[items, labels]``, and every average is a function of sums of ``[..., labels, 3]`` counts. Class numbers keep what
indicators lose: the confusion of classes, and from it Matthews' correlation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lexel.metrics.scores import GOLD, PREDICTED, FloatArray, IntArray, Rates, rates_of, ratio

BoolArray = NDArray[np.bool_]


def accuracy(gold: NDArray[np.integer] | BoolArray, predicted: NDArray[np.integer] | BoolArray) -> float:
    """Share of right items; if an item has several labels, all must be right. 0 without items.

    Args:
        gold: Class of each item, ``[items]``, or its labels, ``[items, labels]``.
        predicted: The predictions, of the same shape.

    Raises:
        ValueError: If their shapes differ.
    """
    right = are_right(gold, predicted)
    return float(right.mean()) if len(right) else 0.0


def are_right(gold: NDArray[np.integer] | BoolArray, predicted: NDArray[np.integer] | BoolArray) -> BoolArray:
    """Whether each item is right in all of its labels, ``[items]``."""
    _check(gold, predicted)
    same = np.asarray(gold == predicted, np.bool_)
    return same if same.ndim == 1 else np.asarray(same.all(axis=1), np.bool_)


def indicators(classes: NDArray[np.integer], *, n_labels: int) -> BoolArray:
    """Class numbers as label indicators, ``[items, labels]``."""
    return np.asarray(classes[:, None] == np.arange(n_labels), np.bool_)


def count_labels(gold: BoolArray, predicted: BoolArray) -> IntArray:
    """Gold, predicted and correct labels of each item, ``[items, labels, 3]``.

    Args:
        gold: The gold labels of each item, ``[items, labels]``.
        predicted: The predicted labels, of the same shape.
    """
    _check(gold, predicted)
    return np.stack((gold, predicted, gold & predicted), axis=-1).astype(np.int64)


def micro_rates(counts: NDArray[np.integer] | FloatArray) -> Rates:
    """Rates of all labels together, ``[...]``, from counts ``[..., labels, 3]``; with one class per item: accuracy."""
    return rates_of(counts.sum(axis=-2))


def macro_rates(counts: NDArray[np.integer] | FloatArray, *, among: BoolArray | None = None) -> Rates:
    """Means over labels, ``[...]``, from counts ``[..., labels, 3]``.

    Args:
        counts: Counts of each label.
        among: The labels to average over, ``[labels]``; by default, those that occur in gold or prediction.
    """
    kept = are_seen(counts) if among is None else among
    each = rates_of(counts[..., kept, :])
    if not kept.any():
        return Rates(*(np.zeros(part.shape[:-1]) for part in each))
    return Rates(*(np.asarray(part.mean(axis=-1), np.float64) for part in each))


def are_seen(counts: NDArray[np.integer] | FloatArray) -> BoolArray:
    """Whether each label occurs in gold or prediction, ``[labels]``."""
    sums = counts.reshape(-1, *counts.shape[-2:]).sum(axis=0)
    return np.asarray(sums[:, [GOLD, PREDICTED]].any(axis=1), np.bool_)


def count_confusion(gold: NDArray[np.integer], predicted: NDArray[np.integer], *, n_labels: int) -> IntArray:
    """How often the row's gold class was predicted as the column's, ``[labels, labels]``."""
    _check(gold, predicted)
    cells = np.asarray(gold, np.int64) * n_labels + predicted
    return np.bincount(cells, minlength=n_labels**2).reshape(n_labels, n_labels).astype(np.int64)


def matthews(confusion: NDArray[np.integer] | FloatArray) -> FloatArray:
    """Matthews' correlation of gold and predicted classes, ``[...]``, from confusions ``[..., labels, labels]``.

    From -1 to 1; 0 if either side has only one class. For several classes, as defined by Gorodkin 2004
    (https://doi.org/10.1016/j.compbiolchem.2004.09.006).
    """
    cells = np.asarray(confusion, np.float64)
    of_gold, of_predicted, total = cells.sum(axis=-1), cells.sum(axis=-2), cells.sum(axis=(-1, -2))
    right = np.trace(cells, axis1=-2, axis2=-1)
    together = right * total - (of_gold * of_predicted).sum(axis=-1)
    spreads = (total**2 - (of_gold**2).sum(axis=-1)) * (total**2 - (of_predicted**2).sum(axis=-1))
    return ratio(together, np.sqrt(spreads))


def pearson(gold: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Pearson's correlation of numbers, ``[items]`` each; 0 if either is constant."""
    _check(gold, predicted)
    if not len(gold):
        return 0.0
    left, right = (np.asarray(values, np.float64) - np.mean(values) for values in (gold, predicted))
    return float(ratio(left @ right, np.sqrt((left @ left) * (right @ right))))


def spearman(gold: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """Spearman's correlation: Pearson's correlation of ranks; equal numbers get their mean rank."""
    return pearson(_ranks(gold), _ranks(predicted))


def _ranks(values: NDArray[np.floating]) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(((2 * last - counts + 1) / 2)[inverse], np.float64)


def _check(gold: NDArray[np.generic], predicted: NDArray[np.generic]) -> None:
    if gold.shape != predicted.shape:
        raise ValueError(
            f"gold of {gold.shape} and predictions of {predicted.shape}; expected the same items and labels"
        )

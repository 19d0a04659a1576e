"""Turns a text classifier's scores into classes: joins windows, applies a function, and fits thresholds.

Scores are before any function, ``[texts, labels]``. A temperature (Guo et al. 2017, https://arxiv.org/abs/1706.04599)
divides them, so that probabilities match the share of right predictions; a label is assigned from its threshold on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Function = Literal["softmax", "sigmoid", "none"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DEFAULT_THRESHOLD = 0.5
_TEMPERATURES = (0.05, 20.0)
_GOLDEN = (math.sqrt(5) - 1) / 2


def apply_function(scores: FloatArray, function: Function) -> FloatArray:
    """The scores after a function: ``softmax`` over the labels, ``sigmoid`` of each, or unchanged."""
    if function == "softmax":
        return np.asarray(np.exp(scores - np.logaddexp.reduce(scores, axis=1)[:, None]), np.float64)
    return np.exp(-np.logaddexp(0, -scores)) if function == "sigmoid" else scores


def join_windows(scores: NDArray[np.floating], text: NDArray[np.int64], weights: NDArray[np.int64]) -> FloatArray:
    """Mean scores of each text over its windows, ``[texts, labels]``.

    Args:
        scores: Scores of each window, ``[windows, labels]``.
        text: The text of each window, in order; each text has at least one, ``[windows]``.
        weights: The weight of each window: the number of pieces that it decides, ``[windows]``.
    """
    begins = np.flatnonzero(np.diff(text, prepend=-1))
    if len(begins) == len(text):
        return scores.astype(np.float64)
    sums = np.add.reduceat(scores * weights[:, None].astype(np.float64), begins)
    return np.asarray(sums / np.add.reduceat(weights, begins)[:, None], np.float64)


def best_thresholds(scores: FloatArray, gold: BoolArray) -> tuple[FloatArray, FloatArray]:
    """For each label, the threshold with the best F1, and that F1, ``[labels]`` each.

    A threshold lies half way between two scores; of equally good ones, the highest is used. A label that no text has
    gets ``DEFAULT_THRESHOLD``, and an F1 of 0.

    Args:
        scores: Scores after the function, ``[texts, labels]``.
        gold: Whether each text has each label, ``[texts, labels]``.
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=0)
    correct = np.cumsum(np.take_along_axis(gold, order, axis=0), axis=0)
    taken = np.arange(1, len(scores) + 1)[:, None]
    n_gold = gold.sum(axis=0)
    following = np.vstack((ordered[1:], ordered[-1:]))
    f1 = 2 * correct / (taken + n_gold)
    f1[:-1][ordered[:-1] == ordered[1:]] = -1  # no threshold separates equal scores
    best = f1.argmax(axis=0)
    columns = np.arange(scores.shape[1])
    thresholds = (ordered[best, columns] + following[best, columns]) / 2
    seen = n_gold > 0
    return np.where(seen, thresholds, DEFAULT_THRESHOLD), np.where(seen, f1[best, columns], 0.0)


def fit_temperature(scores: FloatArray, gold: BoolArray, *, function: Function) -> float:
    """The temperature with the lowest loss: cross-entropy for ``softmax``, binary cross-entropy for ``sigmoid``.

    The loss is convex in the inverse temperature, so a golden-section search finds the minimum.

    Args:
        scores: Scores before the function, ``[texts, labels]``.
        gold: Whether each text has each label, ``[texts, labels]``.
        function: The function for probabilities; with ``none`` there are none, and the temperature is 1.
    """
    if function == "none":
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = scores / math.exp(log_temperature)
        if function == "softmax":
            return float((np.logaddexp.reduce(scaled, axis=1) - (scaled * gold).sum(axis=1)).mean())
        return float((np.logaddexp(0, scaled) - scaled * gold).mean())

    return math.exp(_least(loss, *map(math.log, _TEMPERATURES)))


def _least(function: Callable[[float], float], low: float, high: float, *, tolerance: float = 1e-4) -> float:
    """The minimum of a unimodal function (golden-section search)."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2

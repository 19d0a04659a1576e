"""Multinomial logistic regression with plain numpy: full batches, deterministic.

The mean cross-entropy with an L2 penalty on the weights (not on the biases) has one minimum. L-BFGS finds it (Liu and
Nocedal 1989, https://doi.org/10.1007/BF01589116): the last ten gradients give the step, which is halved until the value
decreases enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Objective = Callable[[FloatArray], tuple[float, FloatArray]]

_MEMORY = 10
_MAX_STEPS = 300
_MAX_HALVINGS = 30
_ENOUGH = 1e-4
"""The minimum share of the decrease predicted by the slope (Armijo's rule)."""


def fit_logistic(
    features: FloatArray,
    classes: NDArray[np.int64],
    *,
    n_classes: int,
    penalty: float,
    start: FloatArray | None = None,
    tolerance: float = 1e-4,
) -> FloatArray:
    """The best weights for predicting classes, ``[features + 1, classes]``; the last row holds the biases.

    Args:
        features: The features, ``[items, features]``.
        classes: Class of each item, ``[items]``.
        n_classes: Number of classes.
        penalty: Factor of half the sum of squared weights, added to the mean cross-entropy; scikit-learn's ``C`` is
            ``1 / (items * penalty)``.
        start: Initial weights.
        tolerance: Stop when no part of the gradient is larger.
    """
    targets = np.zeros((len(classes), n_classes), features.dtype)
    targets[np.arange(len(classes)), classes] = 1

    def objective(weights: FloatArray) -> tuple[float, FloatArray]:
        log_probs = log_probabilities(features, weights)
        inner = weights[:-1]
        loss = -float((targets * log_probs).sum() / len(classes)) + penalty / 2 * float((inner * inner).sum())
        errors = (np.exp(log_probs) - targets) / features.dtype.type(len(classes))
        slopes = np.concatenate((features.T @ errors + penalty * inner, errors.sum(axis=0, keepdims=True)))
        return loss, slopes

    first = np.zeros((features.shape[1] + 1, n_classes), features.dtype) if start is None else start
    return minimise(objective, first, tolerance=tolerance)


def log_probabilities(features: FloatArray, weights: FloatArray) -> FloatArray:
    """Log-probability of each class, ``[items, classes]``."""
    scores = features @ weights[:-1] + weights[-1]
    scores -= scores.max(axis=1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))


def minimise(objective: Objective, start: FloatArray, *, tolerance: float) -> FloatArray:
    """The minimum of a smooth convex function.

    Args:
        objective: Returns value and gradient.
        start: The starting point.
        tolerance: Stop when no part of the gradient is larger.
    """
    point = start
    value, slopes = objective(point)
    history: deque[tuple[FloatArray, FloatArray, float]] = deque(maxlen=_MEMORY)
    for _ in range(_MAX_STEPS):
        if float(np.abs(slopes).max()) <= tolerance:
            break
        direction = _direction(slopes, history)
        promise = float((direction * slopes).sum())
        found = _step(objective, point, direction, value=value, promise=promise)
        if found is None:
            break
        moved, new_value, new_slopes = found
        change, bend = moved - point, new_slopes - slopes
        curvature = float((change * bend).sum())
        if curvature > 0:
            history.append((change, bend, curvature))
        point, value, slopes = moved, new_value, new_slopes
    return point


def _direction(slopes: FloatArray, history: deque[tuple[FloatArray, FloatArray, float]]) -> FloatArray:
    """The descent direction, corrected by the curvature from the last steps."""
    direction, shares = -slopes, []
    for change, bend, curvature in reversed(history):
        share = float((change * direction).sum()) / curvature
        direction = direction - share * bend
        shares.append(share)
    if history:
        _, bend, curvature = history[-1]
        direction = direction * (curvature / float((bend * bend).sum()))
    for (change, bend, curvature), share in zip(history, reversed(shares), strict=True):
        direction = direction + change * (share - float((bend * direction).sum()) / curvature)
    return direction


def _step(
    objective: Objective, point: FloatArray, direction: FloatArray, *, value: float, promise: float
) -> tuple[FloatArray, float, FloatArray] | None:
    """The first of the halved steps that decreases the value enough; ``None`` if rounding leaves none."""
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        moved = point + length * direction
        new_value, slopes = objective(moved)
        if new_value <= value + _ENOUGH * length * promise:
            return moved, new_value, slopes
        length /= 2
    return None

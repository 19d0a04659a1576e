"""The losses of labels: weights, label smoothing and focal loss, against plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lexel.tasks.gold import IGNORE
from lexel.training.config.options import HeadOptions
from lexel.training.data.heads import TrainedHead
from lexel.training.data.rows import Batch, Target
from lexel.training.objective.losses import Losses, balanced_weights

LABELS = torch.tensor([0, 2, IGNORE, 1, 2])


def loss_of(
    scores: torch.Tensor, labels: torch.Tensor, *, problem: str | None = None, **options: float | list[float]
) -> float:
    """The mean loss of one head, as training computes it."""
    weights = options.pop("weights", None)
    head = TrainedHead("x", HeadOptions(task="classify", problem=problem), tuple("abc"))  # type: ignore[arg-type]
    losses = Losses([head], class_weights={"x": torch.tensor(weights)} if weights else None, **options)  # type: ignore[arg-type]
    empty = torch.zeros(1, len(labels), dtype=torch.int64)
    batch = Batch(empty, empty, empty, empty, {"x": Target(None, labels)})
    return float(losses.of({"x": scores}, batch, losses.totals(batch))["x"])


def plain_loss(
    scores: torch.Tensor, labels: torch.Tensor, *, weights: list[float], smoothing: float, gamma: float
) -> float:
    """The same, position by position."""
    total, weight = 0.0, 0.0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        if label == IGNORE:
            continue
        norm = math.log(sum(math.exp(score) for score in row))
        logs = [score - norm for score in row]
        each = -(1 - smoothing) * logs[label] - smoothing * sum(logs) / len(logs)
        total += weights[label] * (1 - math.exp(logs[label])) ** gamma * each
        weight += weights[label]
    return total / weight


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.5, 3.0, 1.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_smoothing_weights_and_focal_loss_weigh_each_position_by_its_gold_label(
    weights: list[float], smoothing: float, gamma: float
) -> None:
    scores = torch.randn(5, 3, generator=torch.manual_seed(0))
    expected = plain_loss(scores, LABELS, weights=weights, smoothing=smoothing, gamma=gamma)
    assert loss_of(scores, LABELS, weights=weights, smoothing=smoothing, focal_gamma=gamma) == pytest.approx(
        expected, rel=1e-5
    )


def test_the_weight_of_a_label_that_no_position_has_changes_nothing() -> None:
    scores, labels = torch.randn(4, 3, generator=torch.manual_seed(0)), torch.tensor([0, 1, 0, 1])
    low, high = (loss_of(scores, labels, weights=[1.0, 2.0, last], smoothing=0.2) for last in (1.0, 1e6))
    assert low == pytest.approx(high, rel=1e-6)


def test_focal_loss_of_several_labels_a_text_lowers_the_weight_of_easy_ones() -> None:
    scores = torch.tensor([[4.0, -4.0, 0.5]])
    labels = torch.tensor([[1.0, 0.0, 1.0]])
    probs = [1 / (1 + math.exp(-4.0)), 1 / (1 + math.exp(-4.0)), 1 / (1 + math.exp(-0.5))]
    expected = sum((1 - p) ** 2 * -math.log(p) for p in probs) / 3
    assert loss_of(scores, labels, problem="multi", focal_gamma=2.0) == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_give_every_label_that_occurs_the_same_total() -> None:
    counts = np.array([90, 9, 0, 1])
    weights = balanced_weights(counts)
    assert weights[2] == 0
    np.testing.assert_allclose((weights * counts)[[0, 1, 3]], 100 / 3, rtol=1e-6)

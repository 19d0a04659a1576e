"""Scores of whole texts, beside scikit-learn's and scipy's on random labels and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

from lexel.metrics import classes

IntArray = NDArray[np.int64]


def _random_classes(seed: int, *, n_labels: int = 4, n_items: int = 60) -> tuple[IntArray, IntArray]:
    """Gold and predicted classes, two in three right, the last class rare."""
    random = np.random.default_rng(seed)
    weights = np.array([1.0] * (n_labels - 1) + [0.05])
    gold, other = random.choice(n_labels, (2, n_items), p=weights / weights.sum())
    return gold, np.where(random.random(n_items) < 0.66, gold, other)


def _counts(gold: IntArray, predicted: IntArray, n_labels: int = 4) -> IntArray:
    both = (classes.indicators(each, n_labels=n_labels) for each in (gold, predicted))
    return classes.count_labels(*both).sum(axis=0)


def _theirs(gold: object, predicted: object, average: str) -> tuple[float, ...]:
    return metrics.precision_recall_fscore_support(gold, predicted, average=average, zero_division=0)[:3]


@pytest.mark.parametrize("seed", range(50))
def test_one_class_an_item_scores_as_in_scikit_learn(seed: int) -> None:
    gold, predicted = _random_classes(seed)
    counts = _counts(gold, predicted)
    assert classes.accuracy(gold, predicted) == pytest.approx(metrics.accuracy_score(gold, predicted))
    assert tuple(classes.micro_rates(counts)) == pytest.approx(_theirs(gold, predicted, "micro"))
    assert tuple(classes.macro_rates(counts)) == pytest.approx(_theirs(gold, predicted, "macro"))
    confusion = classes.count_confusion(gold, predicted, n_labels=4)
    assert confusion.tolist() == metrics.confusion_matrix(gold, predicted, labels=range(4)).tolist()
    assert classes.matthews(confusion) == pytest.approx(metrics.matthews_corrcoef(gold, predicted))


@pytest.mark.parametrize("seed", range(20))
def test_several_labels_an_item_score_as_in_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    gold, predicted = random.random((40, 5)) < 0.4, random.random((40, 5)) < 0.4
    counts = classes.count_labels(gold, predicted).sum(axis=0)
    assert classes.accuracy(gold, predicted) == pytest.approx(metrics.accuracy_score(gold, predicted))
    assert tuple(classes.micro_rates(counts)) == pytest.approx(_theirs(gold, predicted, "micro"))
    assert tuple(classes.macro_rates(counts)) == pytest.approx(_theirs(gold, predicted, "macro"))


@pytest.mark.parametrize("seed", range(20))
def test_numbers_correlate_as_in_scipy_with_ties_too(seed: int) -> None:
    random = np.random.default_rng(seed)
    gold = random.integers(0, 6, 30).astype(np.float64)
    predicted = gold + random.integers(-3, 4, 30)
    assert classes.pearson(gold, predicted) == pytest.approx(stats.pearsonr(gold, predicted).statistic)
    assert classes.spearman(gold, predicted) == pytest.approx(stats.spearmanr(gold, predicted).statistic)


def test_scores_of_bootstrap_samples_are_those_of_each_sample() -> None:
    gold, predicted = _random_classes(3)
    counts = np.stack([_counts(gold[:30], predicted[:30]), _counts(gold[30:], predicted[30:])])
    among = classes.are_seen(counts)
    together = classes.macro_rates(counts, among=among).f1
    assert together.tolist() == [float(classes.macro_rates(part, among=among).f1) for part in counts]


def test_a_class_that_nobody_has_is_not_in_the_mean() -> None:
    gold, predicted = np.array([0, 1, 1]), np.array([0, 1, 0])
    assert classes.macro_rates(_counts(gold, predicted, 9)) == classes.macro_rates(_counts(gold, predicted, 2))


def test_nothing_to_score_scores_nothing() -> None:
    none = np.zeros(0, np.int64)
    assert classes.accuracy(none, none) == 0
    assert classes.macro_rates(_counts(none, none)).f1 == 0
    assert classes.matthews(np.zeros((3, 3))) == 0
    assert classes.pearson(none.astype(float), none.astype(float)) == 0


def test_what_does_not_vary_correlates_with_nothing() -> None:
    assert classes.pearson(np.ones(5), np.arange(5.0)) == 0
    assert classes.matthews(classes.count_confusion(np.zeros(4, int), np.array([0, 1, 0, 1]), n_labels=2)) == 0


def test_predictions_of_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gold of \(3,\) and predictions of \(2,\)"):
        classes.accuracy(np.zeros(3, int), np.zeros(2, int))

"""Logistic regression beside scikit-learn's on random data."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lexel.evaluation.probe.logistic import fit_logistic, log_probabilities


def _data(seed: int, *, n_classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(200, 6))
    scores = features @ random.normal(size=(6, n_classes)) + random.normal(size=(200, n_classes))
    return features, scores.argmax(axis=1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("penalty", [1e-1, 1e-3])
def test_the_classifier_is_scikit_learn_s(seed: int, penalty: float) -> None:
    features, classes = _data(seed)
    weights = fit_logistic(features, classes, n_classes=4, penalty=penalty, tolerance=1e-8)
    theirs = LogisticRegression(C=1 / (len(features) * penalty), tol=1e-8, max_iter=5000).fit(features, classes)
    assert np.exp(log_probabilities(features, weights)) == pytest.approx(theirs.predict_proba(features), abs=1e-4)


def test_starting_elsewhere_ends_at_the_same_place() -> None:
    features, classes = _data(1)
    far = np.random.default_rng(0).normal(size=(7, 4)) * 5
    ends = [fit_logistic(features, classes, n_classes=4, penalty=1e-2, start=s, tolerance=1e-8) for s in (None, far)]
    assert np.exp(log_probabilities(features, ends[0])) == pytest.approx(
        np.exp(log_probabilities(features, ends[1])), abs=1e-5
    )


def test_the_same_data_gives_the_same_weights_bit_by_bit() -> None:
    features, classes = _data(2)
    one, other = (fit_logistic(features.astype(np.float32), classes, n_classes=4, penalty=1e-3) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_a_class_that_nobody_has_is_improbable() -> None:
    features, classes = _data(3, n_classes=3)
    weights = fit_logistic(features, classes, n_classes=4, penalty=1e-2)
    assert float(np.exp(log_probabilities(features, weights))[:, 3].max()) < 0.01

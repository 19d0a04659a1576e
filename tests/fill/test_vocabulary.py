"""Scores over a vocabulary, brought down to what is wanted."""

from __future__ import annotations

import numpy as np
import pytest

from lexel.decoding.vocabulary import log_normalisers, top_pieces


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_sum_to_one_however_large_the_scores(dtype: type) -> None:
    scores = np.array([[1000.0, 1001, 999], [-1000, -1001, -5000], [0, 0, 0]], dtype)
    log_probs = scores - log_normalisers(scores)[:, None]
    assert np.exp(log_probs).sum(axis=1) == pytest.approx([1, 1, 1], rel=1e-5)
    assert log_probs[2] == pytest.approx(-np.log([3, 3, 3]))


def test_scores_are_left_as_they_are() -> None:
    scores = np.arange(6, dtype=np.float32).reshape(2, 3)
    log_normalisers(scores)
    assert scores.ravel().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("n_pieces", [3, 64, 100, 700, 21128])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_the_best_are_those_of_a_whole_sort(n_pieces: int, k: int) -> None:
    scores = np.random.default_rng(n_pieces + k).normal(size=(4, n_pieces)).astype(np.float32)
    scores[:, ::3] = -np.inf
    scores[1] = np.sort(scores[1])
    scores[2] = np.sort(scores[2])[::-1]
    ids, values = top_pieces(scores, k)
    assert ids.shape == values.shape == (4, min(k, n_pieces))
    assert values.tolist() == (-np.sort(-scores, axis=1)[:, :k]).tolist()
    assert np.take_along_axis(scores, ids, axis=1).tolist() == values.tolist()


def test_of_equal_scores_the_lower_index_comes_first() -> None:
    ids, _ = top_pieces(np.array([[1.0, 2, 2, 1, 2]]), 4)
    assert ids.tolist() == [[1, 2, 4, 0]]

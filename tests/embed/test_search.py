"""The nearest vectors are those that comparing with every one of them finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.tasks import search
from lexel.tasks.search import find_nearest


@given(
    rows=st.integers(0, 40),
    queries=st.integers(0, 4),
    top_k=st.integers(1, 12),
    seed=st.integers(0, 1000),
    stretch=st.integers(1, 9),
    metric=st.sampled_from(search.METRICS),
)
def test_the_nearest_are_those_of_sorting_all(
    rows: int, queries: int, top_k: int, seed: int, stretch: int, metric: search.Metric
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-1, 2, (rows, 3)).astype(np.float32)  # many are equal
    asked = random.integers(-1, 2, (queries, 3)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_STRETCH_BYTES", 4 * 4 * stretch)
        found = find_nearest(vectors, asked, top_k=top_k, metric=metric)
    scores = asked.astype(np.float64) @ vectors.T
    if metric == "cosine":
        lengths = np.outer(np.linalg.norm(asked, axis=1), np.linalg.norm(vectors, axis=1))
        scores = scores / np.maximum(lengths, 1e-12)
    expected = np.argsort(-np.round(scores, 6), axis=1, kind="stable")[:, :top_k]
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, expected, axis=1), atol=1e-6)
    if metric == "dot":  # whose scores are whole numbers, so that equals are equal
        np.testing.assert_array_equal(found.rows, expected)


def test_vectors_on_the_disk_are_searched_too(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    assert find_nearest(mapped, vectors[[7, 400]], top_k=1).rows.tolist() == [[7], [400]]


def test_vectors_known_to_have_length_1_are_not_measured_again() -> None:
    vectors = np.array([[1, 0], [3, 4]], np.float32)
    found = find_nearest(vectors, np.array([[1, 1]], np.float32), top_k=1, is_normalised=True)
    assert found.rows.tolist() == [[1]]
    assert found.scores[0, 0] == pytest.approx(7 / np.sqrt(2))


def test_what_cannot_be_compared_is_refused() -> None:
    vectors = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"vectors \(2, 3\), queries \(1, 4\)"):
        find_nearest(vectors, np.zeros((1, 4), np.float32))
    with pytest.raises(ValueError, match="top_k is 0"):
        find_nearest(vectors, vectors, top_k=0)
    with pytest.raises(ValueError, match="metric is 'euclid'"):
        find_nearest(vectors, vectors, metric="euclid")  # type: ignore[arg-type]

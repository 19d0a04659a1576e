"""Searching by a graph finds nearly what comparing with every vector finds, with the same scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexel.data.vectors import VectorRecord, Vectors, open_vectors, write_vectors
from lexel.errors import DataError
from lexel.tasks import hnsw
from lexel.tasks.hnsw import build_index, load_index
from lexel.tasks.search import METRICS, Floats, Metric, find_nearest

N, DIMS = 3_000, 16
VALUES = np.random.default_rng(7).normal(size=(N, DIMS)).astype(np.float32)


def stored(folder: Path, values: np.ndarray = VALUES) -> Vectors:
    batch = [VectorRecord(str(i), "text") for i in range(len(values))], values
    write_vectors([batch], folder, dims=DIMS, made={})
    return open_vectors(folder)


@pytest.mark.parametrize("metric", METRICS)
def test_a_graph_finds_nearly_all_with_exact_scores(metric: Metric, tmp_path: Path) -> None:
    queries = np.random.default_rng(8).normal(size=(50, DIMS)).astype(np.float32)
    index = build_index(stored(tmp_path / "v"), metric=metric)
    exact, found = find_nearest(VALUES, queries, metric=metric), index.find_nearest(queries)
    shared = np.mean([np.isin(a, b).mean() for a, b in zip(exact.rows, found.rows, strict=True)])
    assert shared > 0.9
    same = exact.rows == found.rows
    np.testing.assert_allclose(exact.scores[same], found.scores[same], rtol=1e-5)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_a_graph_is_kept_with_its_recall(tmp_path: Path) -> None:
    vectors = stored(tmp_path / "v")
    assert load_index(vectors) is None
    built = build_index(vectors)
    assert json.loads((tmp_path / "v" / "cosine.usearch.json").read_text())["recall_at_10"] == round(built.recall, 4)
    loaded = load_index(vectors)
    assert loaded is not None
    np.testing.assert_array_equal(loaded.find_nearest(VALUES[:5]).rows, built.find_nearest(VALUES[:5]).rows)
    assert load_index(vectors, metric="dot") is None


def test_recall_is_measured_with_vectors_that_the_graph_does_not_have_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    measure = hnsw._measure_recall

    def spied(graph: Any, vectors: Floats, queries: NDArray[np.int64], metric: Metric) -> float:
        sizes.append(len(graph))
        assert not any(row in graph for row in queries.tolist())
        return measure(graph, vectors, queries, metric)

    monkeypatch.setattr(hnsw, "_measure_recall", spied)
    index = build_index(stored(tmp_path / "v"))
    assert sizes == [N - 100]
    others = np.random.default_rng(9).normal(size=(200, DIMS)).astype(np.float32)
    exact, found = find_nearest(VALUES, others).rows, index.find_nearest(others).rows
    shared = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
    assert index.recall == pytest.approx(shared, abs=0.03)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_a_graph_over_few_vectors_has_them_all(n: int, tmp_path: Path) -> None:
    index = build_index(stored(tmp_path / "v", VALUES[:n]))
    assert index.recall == 1
    if n:
        np.testing.assert_array_equal(index.find_nearest(VALUES[:n], top_k=1).rows[:, 0], np.arange(n))


def test_building_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.tasks.hnsw._STRETCH", 1_000)
    seen: list[int] = []
    build_index(stored(tmp_path / "v"), watch=seen.append)
    assert seen == [1_000, 2_000, 2_900, 3_000]


def test_a_graph_of_other_vectors_is_refused(tmp_path: Path) -> None:
    build_index(stored(tmp_path / "v"))
    graph = (tmp_path / "v" / "cosine.usearch").read_bytes()
    said = (tmp_path / "v" / "cosine.usearch.json").read_bytes()
    fewer = stored(tmp_path / "w", VALUES[:10])
    (tmp_path / "w" / "cosine.usearch").write_bytes(graph)
    (tmp_path / "w" / "cosine.usearch.json").write_bytes(said)
    with pytest.raises(DataError, match=r"over 3000 vectors; the folder has 10"):
        load_index(fewer)


def test_new_vectors_lose_the_graph_of_the_old_ones(tmp_path: Path) -> None:
    build_index(stored(tmp_path / "v"))
    assert load_index(stored(tmp_path / "v", VALUES[:10])) is None


def test_a_graph_needs_a_folder(tmp_path: Path) -> None:
    batch = [VectorRecord("a", "text")], VALUES[:1]
    write_vectors([batch], tmp_path / "v.parquet", dims=DIMS, made={})
    with pytest.raises(DataError, match="a graph lies in a folder of vectors"):
        build_index(open_vectors(tmp_path / "v.parquet"))

"""The nearest of very many vectors by an HNSW graph (usearch): fast, and nearly always those of a full search.

The graph is stored next to the vectors of a folder, so it is built only once. Its recall against a full search is
measured while it is built, with some of the vectors as queries before they are added.

    index = load_index(vectors, metric="cosine") or build_index(vectors, metric="cosine")
    index.find_nearest(queries, top_k=10)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.data.vectors import Vectors
from lexel.disk import refused, write_json
from lexel.errors import DataError, MissingExtra
from lexel.tasks.pooling import normalise
from lexel.tasks.search import Floats, Metric, Nearest, find_nearest

WORTH_ROWS = 1_000_000
"""Number of vectors from which a full search is slow enough to make a graph worthwhile."""

N_QUERIES, TOP_K = 100, 10
"""Number of queries, and of results for each, for measuring recall. The queries are not in the graph yet, because it
finds the neighbours of its own vectors more often than those of others."""

_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 128
_STRETCH = 16_384
_METRICS: dict[Metric, str] = {"cosine": "cos", "dot": "ip"}


@dataclass(frozen=True, slots=True)
class HnswIndex:
    """A graph over vectors.

    Attributes:
        vectors: The vectors.
        metric: How vectors are compared.
        recall: Share of the ten nearest vectors that it found, on a sample of the vectors.
    """

    vectors: Floats
    metric: Metric
    recall: float
    _graph: Any

    def find_nearest(self, queries: Floats, *, top_k: int = 10) -> Nearest:
        """The vectors nearest to each query, with exact scores; see ``search.find_nearest``.

        Raises:
            ValueError: If the widths differ.
        """
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"vectors {self.vectors.shape}, queries {queries.shape}; expected [n, dims] with the same dims"
            )
        return _found(self._graph, self.vectors, queries, top_k=top_k, metric=self.metric)


def build_index(
    stored: Vectors, *, metric: Metric = "cosine", watch: Callable[[int], None] = lambda _: None
) -> HnswIndex:
    """Build the graph over a folder's vectors, measure its recall, and store it in the folder.

    Args:
        stored: The vectors.
        metric: How vectors are compared.
        watch: Called with the number of vectors in the graph so far.

    Raises:
        DataError: If the vectors are in no folder.
        MissingExtra: If usearch is not installed.
    """
    graph_path, said_path = _paths(stored, metric)
    values = stored.values
    graph = _load_usearch().Index(
        ndim=values.shape[1],
        metric=_METRICS[metric],
        dtype="f32",
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        expansion_search=_EXPANSION_SEARCH,
    )
    queries = np.linspace(0, len(values) - 1, min(N_QUERIES, len(values) // 2)).astype(np.int64)
    others = np.setdiff1d(np.arange(len(values)), queries)
    for start in range(0, len(others), _STRETCH):
        _add(graph, values, others[start : start + _STRETCH])
        watch(min(start + _STRETCH, len(others)))
    recall = _measure_recall(graph, values, queries, metric)
    _add(graph, values, queries)
    watch(len(values))
    part_path = graph_path.with_name(f".{graph_path.name}.part")
    graph.save(str(part_path))
    part_path.replace(graph_path)
    write_json(
        said_path, {"count": len(values), "metric": metric, "recall_at_10": round(recall, 4), "queries": N_QUERIES}
    )
    return HnswIndex(values, metric, recall, graph)


def load_index(stored: Vectors, *, metric: Metric = "cosine") -> HnswIndex | None:
    """The graph that was built over a folder's vectors; ``None`` if there is none.

    Raises:
        DataError: If the vectors are in no folder, or the graph cannot be read.
        MissingExtra: If usearch is not installed.
    """
    graph_path, said_path = _paths(stored, metric)
    if not (graph_path.is_file() and said_path.is_file()):
        return None
    try:
        said = json.loads(said_path.read_text("utf-8"))
        graph = _load_usearch().Index.restore(str(graph_path), view=True)
        recall, n = float(said["recall_at_10"]), len(graph)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"{graph_path}: {refused(error, doing='read')}; delete it to build it again") from error
    if n != len(stored.values):
        raise DataError(
            f"{graph_path}: over {n} vectors; the folder has {len(stored.values)}. Delete it to build it again"
        )
    return HnswIndex(stored.values, metric, recall, graph)


def _found(graph: Any, vectors: Floats, queries: Floats, *, top_k: int, metric: Metric) -> Nearest:
    """The results of the graph, in the order of the exact scores."""
    count = min(top_k, len(vectors))
    matches = graph.search(np.ascontiguousarray(queries, np.float32), count)
    rows = np.atleast_2d(matches.keys).astype(np.int64)
    near = np.asarray(vectors[rows.reshape(-1)]).reshape(*rows.shape, -1)
    asked = queries
    if metric == "cosine":
        near = normalise(near.reshape(-1, near.shape[-1])).reshape(near.shape)
        asked = normalise(queries)
    scores = np.einsum("qkd,qd->qk", near, asked).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")
    return Nearest(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))


def _add(graph: Any, vectors: Floats, rows: NDArray[np.int64]) -> None:
    graph.add(rows.astype(np.uint64), np.ascontiguousarray(vectors[rows]))


def _measure_recall(graph: Any, vectors: Floats, queries: NDArray[np.int64], metric: Metric) -> float:
    """Share of the exact results that the graph finds, with vectors as queries that it does not have yet."""
    if not len(queries):
        return 1.0
    asked = np.asarray(vectors[queries])
    found = _found(graph, vectors, asked, top_k=TOP_K, metric=metric).rows
    exact = find_nearest(vectors, asked, top_k=TOP_K + len(queries), metric=metric).rows
    expected = [row[~np.isin(row, queries)][:TOP_K] for row in exact]
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(expected, found, strict=True)]))


def _paths(stored: Vectors, metric: Metric) -> tuple[Path, Path]:
    if not (stored.path / "vectors.json").is_file():
        raise DataError(f"{stored.path}: a graph lies in a folder of vectors; write one with lexel embed --to npy")
    return stored.path / f"{metric}.usearch", stored.path / f"{metric}.usearch.json"


def _load_usearch() -> Any:
    try:
        from usearch import index
    except ImportError as error:
        raise MissingExtra('searching by a graph needs usearch: pip install "lexel[hnsw]"') from error
    return index

"""Clusters of vectors, compared by their angle; needs ``lexel[cluster]`` (scikit-learn).

cluster_vectors(vectors, n_clusters=10)      # k-means
cluster_vectors(vectors, threshold=0.95)     # average linkage: near-duplicates
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.errors import MissingExtra, OptionError
from lexel.tasks.pooling import normalise

MOST_PAIRWISE = 20_000
"""Most vectors that can be clustered by a threshold: the distances of all pairs are kept, 4 bytes each."""

_STARTS = 4
"""Number of runs of k-means; the best result counts."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of vectors that are near each other.

    Attributes:
        number: Its number, from 1; the largest cluster is the first.
        rows: Its rows, the nearest to its centre first.
    """

    number: int
    rows: NDArray[np.int64]


def cluster_vectors(
    vectors: NDArray[np.float32], *, n_clusters: int | None = None, threshold: float | None = None, seed: int = 42
) -> list[Cluster]:
    """Group vectors by cosine similarity; every row is in one cluster. The largest cluster comes first.

    Args:
        vectors: ``[rows, dims]``, of any length.
        n_clusters: How many clusters to make, by k-means.
        threshold: Or: join clusters while their mean similarity is at least this, by average linkage.
        seed: Seed of k-means.

    Raises:
        OptionError: If not exactly one of ``n_clusters`` and ``threshold`` is given, or there are too few vectors for
            the number of clusters or too many for a threshold.
        MissingExtra: If scikit-learn is not installed.
    """
    labels = assign_clusters(vectors, n_clusters=n_clusters, threshold=threshold, seed=seed)
    return list(_by_size(vectors, labels))


def assign_clusters(
    vectors: NDArray[np.float32], *, n_clusters: int | None = None, threshold: float | None = None, seed: int = 42
) -> NDArray[np.int64]:
    """The label of each row's cluster, ``[rows]``; see `cluster_vectors`."""
    if (n_clusters is None) == (threshold is None):
        raise OptionError("expected one of a number of clusters (--clusters) and a threshold (--threshold)")
    if n_clusters is not None and not 1 <= n_clusters <= len(vectors):
        raise OptionError(f"{n_clusters:,} clusters (--clusters) of {len(vectors):,} vectors; expected at most as many")
    if threshold is not None and len(vectors) > MOST_PAIRWISE:
        raise OptionError(
            f"{len(vectors):,} vectors; a threshold (--threshold) compares all pairs and takes at most "
            f"{MOST_PAIRWISE:,}. Give the number of clusters instead (--clusters)"
        )
    models = _load_models()
    if len(vectors) < 2:
        return np.zeros(len(vectors), np.int64)
    if threshold is None:
        model: Any = models.KMeans(n_clusters, n_init=_STARTS, random_state=seed)
    else:
        model = models.AgglomerativeClustering(
            None, metric="cosine", linkage="average", distance_threshold=1 - float(threshold)
        )
    return np.asarray(model.fit_predict(normalise(np.asarray(vectors))), np.int64)


def _load_models() -> Any:
    try:
        import sklearn.cluster
    except ImportError as error:
        raise MissingExtra('clustering needs scikit-learn: pip install "lexel[cluster]"') from error
    return sklearn.cluster


def _by_size(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Iterator[Cluster]:
    """The clusters, the largest first; of equally large ones, the one with the first row."""
    if not len(labels):
        return
    _, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    by_label = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    for number, index in enumerate(order.tolist(), 1):
        rows = by_label[index]
        unit = normalise(np.asarray(vectors[rows]))
        yield Cluster(number, rows[np.argsort(-(unit @ unit.mean(axis=0)), kind="stable")])

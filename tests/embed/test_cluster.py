"""Clusters of vectors by the Python API."""

from __future__ import annotations

import numpy as np
import pytest

from lexel.errors import OptionError
from lexel.tasks.cluster import MOST_PAIRWISE, cluster_vectors

VECTORS = np.array([[1, 0], [0, 3], [2, 0.1], [0, 1], [5, 0.2]], np.float32)


@pytest.mark.parametrize("how", [{"n_clusters": 2}, {"threshold": 0.9}])
def test_vectors_are_grouped_by_their_angle_the_largest_cluster_first(how: dict[str, float]) -> None:
    clusters = cluster_vectors(VECTORS, **how)  # type: ignore[arg-type]
    assert [(cluster.number, sorted(cluster.rows.tolist())) for cluster in clusters] == [(1, [0, 2, 4]), (2, [1, 3])]


def test_the_row_nearest_to_the_centre_comes_first() -> None:
    angles = np.deg2rad([0, 30, 14])
    (cluster,) = cluster_vectors(np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32), n_clusters=1)
    assert cluster.rows.tolist()[0] == 2


def test_no_vectors_make_no_cluster() -> None:
    assert cluster_vectors(np.zeros((0, 2), np.float32), threshold=0.5) == []


@pytest.mark.parametrize(
    ("n", "how", "found"),
    [
        (2, {}, "expected one of"),
        (2, {"n_clusters": 1, "threshold": 0.5}, "expected one of"),
        (2, {"n_clusters": 3}, "3 clusters .* of 2 vectors"),
        (MOST_PAIRWISE + 1, {"threshold": 0.5}, "20,001 vectors; .* at most 20,000"),
    ],
)
def test_what_cannot_be_clustered_is_refused(n: int, how: dict[str, float], found: str) -> None:
    with pytest.raises(OptionError, match=found):
        cluster_vectors(np.ones((n, 2), np.float32), **how)  # type: ignore[arg-type]

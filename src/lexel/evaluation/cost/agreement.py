"""Agreement of two models' vectors of the same texts: their cosine, and whether the nearest texts are the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lexel.evaluation.cost.cost import Agreement
from lexel.evaluation.scores.tallies import Sampling, Sums
from lexel.metrics.scores import Estimate
from lexel.tasks.embed import Embedder
from lexel.tasks.pooling import normalise
from lexel.tasks.search import find_nearest
from lexel.tasks.slot_positions import Floats

_MOST_TEXTS = 2_000
"""Maximum number of texts; each is compared with all others."""


def vector_agreement(before: Embedder, after: Embedder, texts: Sequence[str]) -> Agreement | None:
    """Compare the vectors of two embedders, without duplicate and blank texts; ``None`` with fewer than two texts.

    Intervals are from a bootstrap over texts; the nearest text is searched among all of them.
    """
    different = [text for text in dict.fromkeys(texts) if text.strip()][:_MOST_TEXTS]
    if len(different) < 2:
        return None
    first, second = (normalise(embedder.encode(different)) for embedder in (before, after))
    sizes = first.shape[1], second.shape[1]
    return Agreement(
        cosine=_mean(np.einsum("ij,ij->i", first, second)) if sizes[0] == sizes[1] else None,
        nearest=_mean(_nearest_others(first) == _nearest_others(second)),
        n_texts=len(different),
        sizes=sizes,
    )


def _nearest_others(vectors: Floats) -> NDArray[np.int64]:
    """The nearest other row of each row, ``[rows]``."""
    rows = find_nearest(vectors, vectors, top_k=2, is_normalised=True).rows
    is_itself = rows[:, 0] == np.arange(len(rows))
    return np.where(is_itself, rows[:, 1], rows[:, 0])


def _mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> Estimate:
    """The mean over texts, ``[texts]``, with its interval."""
    return Sums(np.stack((values, np.ones(len(values))), axis=1), Sampling()).share(0, 1)

"""The transition scores of a CRF, which stand beside a head as plain tensors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.heads import Head
from lexel.checkpoint.weights import Weights


def read_transitions(head: Head, weights: Weights) -> NDArray[np.float32] | None:
    """The scores between the tags of a head, ``[labels + 1, labels + 1]``; ``None`` for a head without a CRF.

    Row ``i`` and column ``j`` hold the score of tag ``j`` after tag ``i``; the last row holds those of a text's first
    tag, the last column those of its last.

    Args:
        head: The head.
        weights: All tensors of its folder.

    Raises:
        WeightError: If a tensor is missing or has another shape.
    """
    if not head.crf:
        return None
    n = len(head.labels)
    scores = np.zeros((n + 1, n + 1), np.float32)
    scores[:n, :n] = weights.tensor(f"{head.prefix}.crf.transitions", (n, n))
    scores[n, :n] = weights.tensor(f"{head.prefix}.crf.start_transitions", (n,))
    scores[:n, n] = weights.tensor(f"{head.prefix}.crf.end_transitions", (n,))
    return scores

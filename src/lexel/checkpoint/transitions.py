"""The transition scores of a CRF, which are stored with a head as plain tensors.

They have the names of pytorch-crf and AllenNLP: ``transitions [labels, labels]`` from the row's tag to the column's,
``start_transitions [labels]`` and ``end_transitions [labels]``. Their prefix is ``<head's prefix>.crf`` if Lexel
trained the head, and one of ``PLAIN_PREFIXES`` in other folders.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.heads import Head
from lexel.checkpoint.weights import Weights
from lexel.errors import WeightError
from lexel.names import SPAN_TASKS

TRANSITIONS, START, END = "transitions", "start_transitions", "end_transitions"
PLAIN_PREFIXES = ("crf", "crf_layer", "CRF")

_logger = logging.getLogger("lexel")


def transition_prefixes(head: Head) -> tuple[str, ...]:
    """Possible prefixes of a head's transitions."""
    own = f"{head.prefix}.crf"
    return (own,) if head.prefix.startswith("heads.") else (own, *PLAIN_PREFIXES)


def read_transitions(head: Head, weights: Weights) -> NDArray[np.float32] | None:
    """The transition scores of a head, ``[labels + 1, labels + 1]``; ``None`` for a head without a CRF.

    Row ``i`` and column ``j`` hold the score of tag ``j`` after tag ``i``; the last row holds those of a text's first
    tag, the last column those of its last.

    Args:
        head: The head.
        weights: All tensors of its folder.

    Raises:
        WeightError: If a tensor is missing or has another shape.
    """
    there = (name for name in transition_prefixes(head) if weights.has(f"{name}.{TRANSITIONS}"))
    prefix = next(there, f"{head.prefix}.crf" if head.crf else None)
    if prefix is None:
        return None
    if head.task not in SPAN_TASKS:
        _logger.warning("%s.%s: not used, since the head %s labels each word by itself", prefix, TRANSITIONS, head.name)
        return None
    n = len(head.labels)
    field = weights.at(prefix)
    if not (field.has(START) and field.has(END)) and not head.crf:
        raise WeightError(
            f"{prefix}.{TRANSITIONS}: has shape {field.shape(TRANSITIONS)} without {START} and {END}; expected "
            f"({n}, {n}) with both, as pytorch-crf stores them. Convert the tensors, or decode without them"
        )
    scores = np.zeros((n + 1, n + 1), np.float32)
    scores[:n, :n] = field.tensor(TRANSITIONS, (n, n))
    scores[n, :n] = field.tensor(START, (n,))
    scores[:n, n] = field.tensor(END, (n,))
    return scores

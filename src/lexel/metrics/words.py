"""Scores of word segmentation: the rules of the SIGHAN bakeoffs, and the token score of Universal Dependencies.

A word is right if both its ends are. The bakeoffs' script (http://sighan.cs.uchicago.edu/bakeoff2005/) finds right
words by a ``diff`` of the two word lists, which also pairs equal words at different positions. Here, as in later
literature, positions decide. A gold word is *known* if it is in the training vocabulary, otherwise *out of
vocabulary* (OOV).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from lexel.metrics.spans import FlatSpans, distinct, match_spans

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def are_known(words: Sequence[str], vocabulary: Collection[str]) -> BoolArray:
    """Whether each word is in the vocabulary, ``[words]``."""
    return np.fromiter((word in vocabulary for word in words), np.bool_, len(words))


def count_known(gold: FlatSpans, predicted: FlatSpans, *, known: BoolArray, n_documents: int) -> IntArray:
    """Count gold words and those of them found, known ones first, ``[documents, 2 (known, OOV), 2 (all, found)]``.

    Args:
        gold: The gold words, without duplicates.
        predicted: The predicted words.
        known: Whether each gold word is in the training vocabulary, ``[gold words]``.
        n_documents: The number of documents.
    """
    found = match_spans(gold, predicted, labelled=False).of_gold >= 0
    cells = gold.document * 2 + ~known
    both = [np.bincount(cells[which], minlength=2 * n_documents) for which in (np.ones_like(found), found)]
    return np.stack(both, axis=-1).reshape(n_documents, 2, 2).astype(np.int64)


def without_space(words: FlatSpans, space: BoolArray) -> FlatSpans:
    """The words as spans over the text without its whitespace: CoNLL 2018's rule for tokens.

    Whitespace inside a word or at its ends then makes no difference; a word of only whitespace is dropped. The shared
    task's script (https://universaldependencies.org/conll18/evaluation.html) removes spaces (category Zs), the only
    whitespace that a CoNLL-U file can hold; here, whitespace is defined by ``str.isspace``.

    Args:
        words: Words with positions counted through all documents.
        space: Whether each character is whitespace, ``[chars]``.
    """
    position = np.concatenate(([0], np.cumsum(~space)))
    squeezed = words._replace(start=position[words.start], end=position[words.end])
    return distinct(squeezed.taken(squeezed.end > squeezed.start))

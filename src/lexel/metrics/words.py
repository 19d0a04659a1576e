"""Scores of word segmentation: the SIGHAN bakeoffs' rules, and Universal Dependencies' score of tokens.

A word is right if both its ends are. The bakeoffs' script (http://sighan.cs.uchicago.edu/bakeoff2005/) finds right
words by a ``diff`` of the two lists of words, which also pairs equal words at different places; here, as in the
literature since, places decide. A gold word is *known* if it stands in the training vocabulary, else *out of
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
    """Is each word in the vocabulary? ``[words]``"""
    return np.fromiter((word in vocabulary for word in words), np.bool_, len(words))


def count_known(gold: FlatSpans, predicted: FlatSpans, *, known: BoolArray, n_documents: int) -> IntArray:
    """Count gold words and those of them found, known ones first, ``[documents, 2 (known, OOV), 2 (all, found)]``.

    Args:
        gold: The right words, none twice.
        predicted: The words to be judged.
        known: Is each gold word in the training vocabulary? ``[gold words]``
        n_documents: How many documents there are.
    """
    found = match_spans(gold, predicted, labelled=False).of_gold >= 0
    cells = gold.document * 2 + ~known
    both = [np.bincount(cells[which], minlength=2 * n_documents) for which in (np.ones_like(found), found)]
    return np.stack(both, axis=-1).reshape(n_documents, 2, 2).astype(np.int64)


def without_space(words: FlatSpans, space: BoolArray) -> FlatSpans:
    """The words as spans over the text without its whitespace: CoNLL 2018's rule for tokens.

    Whitespace inside a word, or at its ends, then makes no difference; a word of nothing else is dropped. The shared
    task's script (https://universaldependencies.org/conll18/evaluation.html) takes out blanks (category Zs), which is
    all the whitespace a CoNLL-U file can hold; here it is whatever ``str.isspace`` says.

    Args:
        words: Words whose positions count through all documents.
        space: Is each character whitespace? ``[chars]``
    """
    position = np.concatenate(([0], np.cumsum(~space)))
    squeezed = words._replace(start=position[words.start], end=position[words.end])
    return distinct(squeezed.taken(squeezed.end > squeezed.start))

"""Scores of one label per word, and the confusion of labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.metrics.spans import FlatSpans, distinct, match_spans

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion of labels.

    Attributes:
        labels: Names of the labels, by index.
        counts: How often the row's gold label was predicted as the column's, ``[labels + 1, labels + 1]``. The last
            column counts gold spans without a prediction, the last row predictions without a gold span.
    """

    labels: tuple[str, ...]
    counts: list[list[int]]


def count_confusion(gold: FlatSpans, predicted: FlatSpans, *, n_labels: int) -> IntArray:
    """Count labels of spans with the same boundaries, ``[labels + 1, labels + 1]``; see ``Confusion``.

    If several spans share their boundaries, those with the same label are paired first.
    """
    gold, predicted = distinct(gold), distinct(predicted)
    same = match_spans(gold, predicted)
    right = gold.label[same.of_gold >= 0]
    gold, predicted = gold.taken(same.of_gold < 0), predicted.taken(same.of_predicted < 0)
    pairs = match_spans(gold, predicted, labelled=False)
    paired = _is_mutual(pairs.of_gold, pairs.of_predicted)
    spurious = predicted.label[~_is_mutual(pairs.of_predicted, pairs.of_gold)]
    missed = gold.label[~paired]
    rows = (right, gold.label[paired], missed, np.full_like(spurious, n_labels))
    columns = (right, predicted.label[pairs.of_gold[paired]], np.full_like(missed, n_labels), spurious)
    cells = np.concatenate(rows) * (n_labels + 1) + np.concatenate(columns)
    return np.bincount(cells, minlength=(n_labels + 1) ** 2).reshape(n_labels + 1, n_labels + 1).astype(np.int64)


def _is_mutual(there: IntArray, back: IntArray) -> NDArray[np.bool_]:
    """Whether each span's partner is paired with it, ``[spans]``."""
    if not len(back):
        return np.zeros(len(there), np.bool_)
    mutual: NDArray[np.bool_] = (there >= 0) & (back[there] == np.arange(len(there)))
    return mutual


def count_tags(gold: FlatSpans, predicted: FlatSpans, *, n_documents: int) -> IntArray:
    """Count gold words that were found, and those of them with the right tag, ``[documents, 2]``.

    The ratio is the tag accuracy on found words (the aligned accuracy of CoNLL 2018); if the words were given, it is
    the plain accuracy.
    """
    gold, predicted = distinct(gold), distinct(predicted)
    found = match_spans(gold, predicted, labelled=False).of_gold >= 0
    right = match_spans(gold, predicted).of_gold >= 0
    return np.stack(
        [np.bincount(gold.document[which], minlength=n_documents) for which in (found, right)], axis=-1
    ).astype(np.int64)

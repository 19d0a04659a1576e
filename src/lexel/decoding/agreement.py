"""Decodes words and entities jointly, if one model finds both on the same pieces.

The best solution has the highest sum of scores among those in which no entity begins or ends inside a word. In the
scheme BI, a word's begin is decided at each piece independently. So the words follow from the entities: there is a
begin wherever the model prefers one, and wherever an entity has an edge. An edge at a piece without a begin has the
cost of forcing a begin there, so the entities are found by one Viterbi search with these costs
(``docs/design/decoding.md``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.spans import look_up
from lexel.decoding.tags import decode_tags
from lexel.decoding.words import WordBegins, words_by_piece
from lexel.labels import LabelSet

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]


def decode_with_words(
    scores: FloatArray,
    bounds: IntArray,
    label_set: LabelSet,
    *,
    odds: DoubleArray,
    biases: NDArray[np.floating] | None = None,
) -> NDArray[np.int32]:
    """Tags of entities in the best joint solution, ``[pieces]``.

    Args:
        scores: Scores before softmax of a head for entities, ``[pieces, labels]``.
        bounds: Text ``i`` owns the pieces ``[bounds[i], bounds[i + 1])``, ``[texts + 1]``.
        label_set: Its labels.
        odds: ``WordBegins.odds`` of the same pieces; minus infinity forbids an edge.
        biases: As in ``decode_tags``.
    """
    return decode_tags(scores, bounds, label_set, biases=biases, cuts=np.minimum(odds, 0))


def recut(
    found: WordBegins,
    tags: NDArray[np.int32],
    bounds: IntArray,
    label_set: LabelSet,
    *,
    words: LabelSet,
    piece_of_char: NDArray[np.int32],
) -> WordBegins:
    """The words of the best joint solution: the found words, cut at the entities' edges.

    Args:
        found: The words, with ``odds``.
        tags: Tags of the entities, ``[pieces]``.
        bounds: As in ``decode_with_words``.
        label_set: Labels of the entities.
        words: Labels of the words.
        piece_of_char: The piece that covers each character, -1 for none, ``[chars]``.
    """
    assert found.odds is not None
    edges = np.zeros(len(tags), np.bool_)
    edges[1:] = look_up(label_set.unit_edges, tags[:-1], tags[1:])
    edges &= found.odds <= 0
    edges[bounds[:-1][bounds[:-1] < len(tags)]] = False
    if not edges.any():
        return found
    chars = np.flatnonzero(words_by_piece(edges, piece_of_char) & ~found.begins)
    begins, word_tags, probs = found.begins.copy(), found.tags.copy(), found.probs.copy()
    begins[chars] = True
    units = found.unit_of_char[chars]
    word_tags[units] = np.flatnonzero(words.begins)[0]
    probs[units] = 1 - probs[units]
    return found._replace(begins=begins, tags=word_tags, probs=probs)

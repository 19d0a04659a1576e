"""Reduces scores over a vocabulary to the needed values, and determines the pieces that may fill a mask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.masks import Ids, LogProbs

Scores = NDArray[np.floating[Any]]
_GROUP = 64
"""Size of a group of pieces in the search for the best."""


def log_normalisers(scores: Scores) -> NDArray[np.float64]:
    """The value to subtract from scores for log-probabilities, ``[picks]`` for ``scores [picks, vocab]``.

    The largest score is subtracted before the exponential, and the sum is in float64, so nothing overflows.
    """
    highest = scores.max(axis=1, keepdims=True)
    powers = np.subtract(scores, highest)
    np.exp(powers, out=powers)
    normalisers: NDArray[np.float64] = np.log(powers.sum(axis=1, dtype=np.float64)) + highest[:, 0]
    return normalisers


def top_pieces(scores: Scores, k: int) -> tuple[Ids, LogProbs]:
    """The best pieces of each row, best first; of equals, the lower index first.

    Args:
        scores: Scores ``[picks, vocab]``; minus infinity for forbidden pieces.
        k: Number of pieces.

    Returns:
        Their indexes ``[picks, k]`` and scores ``[picks, k]``; fewer if the vocabulary is smaller.
    """
    k = min(k, scores.shape[1])
    found = _candidates(scores, k)
    values = np.take_along_axis(scores, found, axis=1)
    order = np.lexsort((found, -values), axis=1)[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)


def _candidates(scores: Scores, k: int) -> Ids:
    """Indexes that include the ``k`` best, ``[picks, candidates]``: those in the groups with the ``k`` best maxima.

    A vocabulary has hundreds of groups, so this reads each score once, and then selects among few.
    """
    n_picks, n_pieces = scores.shape
    n_groups = n_pieces // _GROUP
    if n_groups <= k:
        return np.broadcast_to(np.arange(n_pieces), scores.shape)
    whole = n_groups * _GROUP
    maxima = scores[:, :whole].reshape(n_picks, n_groups, _GROUP).max(axis=2)
    groups = np.argpartition(maxima, n_groups - k, axis=1)[:, n_groups - k :]
    inside = (groups[:, :, None] * _GROUP + np.arange(_GROUP)).reshape(n_picks, k * _GROUP)
    rest = np.broadcast_to(np.arange(whole, n_pieces), (n_picks, n_pieces - whole))
    return np.concatenate((inside, rest), axis=1)


BEGINS, BEGINS_AFTER_BLANK, CONTINUES = range(3)
"""Kinds of pieces for a slot: beginning a word, beginning a word after white space, or continuing a word."""

Spelling = Literal["chars", "wordpiece", "marked"]
"""How a vocabulary marks words: single characters, ``##`` before continuations, or a mark before beginnings."""

MARKS = ("Ġ", "▁")
"""What byte-level BPE and SentencePiece write for the white space before a word."""

_NO_TEXT = re.compile(r"\[[A-Za-z]+\d*\]|<[^<>]+>(NOTUSED)?|madeupword\d+")
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")
"""What BERT's tokeniser sets apart as a word of its own."""


def allowed_pieces(strings: Sequence[str], texts: Sequence[str], *, spelling: Spelling) -> NDArray[np.bool_]:
    """Which pieces may stand in a slot of each kind, ``[3, vocab]``.

    Never those that are no text: special and unused ones, white space alone, parts of a character. Elsewhere:

    - ``chars``: single characters.
    - ``wordpiece``: a word does not begin with ``##``, and goes on only with it; an ideograph, which is a word of its
      own to the tokenizer, goes on with any word, and never has ``##`` before it in a text.
    - ``marked``: a word goes on without a mark; after white space it begins with one.

    Args:
        strings: The vocabulary's spelling of each piece, ``""`` where an index has none.
        texts: Each piece as readable text.
        spelling: How the vocabulary tells words apart.
    """
    pairs = list(zip(strings, texts, strict=True))
    is_text = np.array([_is_text(string, text) for string, text in pairs], np.bool_)
    if spelling == "chars":
        rows = np.array([[len(string) == 1 for string in strings]] * 3)
    elif spelling == "wordpiece":
        goes_on = np.array([string.startswith("##") for string in strings])
        ideographs = np.array([_IDEOGRAPH.match(text) is not None for text in texts])
        rows = np.stack((~goes_on, ~goes_on, goes_on ^ ideographs))
    else:
        marked = np.array([string.startswith(MARKS) for string in strings])
        rows = np.stack((np.ones_like(marked), marked, ~marked))
    return np.asarray(rows & is_text)


def _is_text(string: str, text: str) -> bool:
    return bool(text.strip()) and "\ufffd" not in text and not _NO_TEXT.fullmatch(string)

"""The five aggregation strategies of transformers' token-classification pipeline, for the drop-in.

The rules are those of its documentation (https://huggingface.co/docs/transformers/main_classes/pipelines), checked
against it in tests:

- ``none``: one group per piece, with its full label.
- ``simple``: neighbours of one type are a group; a ``B-`` begins another.
- ``first``, ``average``, ``max``: first choose one label per word (a piece that is not a sub-word begins a word): by
  its first piece, the mean probability over its pieces, or its most certain piece. Then group words as ``simple``.

Each piece gets its best label independently, without Viterbi. transformers parses only ``B-`` and ``I-``, so ``B-PER
E-PER`` is two groups there; here, the units of every scheme are joined, by the rule of ``spans``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.labels import LabelSet

Strategy = Literal["none", "simple", "first", "average", "max"]
STRATEGIES = ("none", "simple", "first", "average", "max")

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]


class Group(NamedTuple):
    """A group of neighbouring pieces.

    Attributes:
        label: The type (``PER``), or with strategy ``none`` the label (``B-PER``).
        score: Mean probability over its pieces (``simple``) or words.
        start: First character in the text.
        end: One past the last.
        pieces: The range of pieces; for ``none``, the first is the pipeline's ``index``, without counting the special
            pieces before it.
        words: The ranges of pieces that were decided together: single pieces for ``none`` and ``simple``.
    """

    label: str
    score: np.float32
    start: int
    end: int
    pieces: tuple[int, int]
    words: tuple[tuple[int, int], ...]


def group_pieces(
    probs: FloatArray,
    label_set: LabelSet,
    *,
    starts: NDArray[np.integer],
    ends: NDArray[np.integer],
    strategy: Strategy,
    is_subword: BoolArray | None = None,
    ignore_labels: Collection[str] = ("O",),
) -> list[Group]:
    """Group the pieces of one text.

    Args:
        probs: Probabilities, without special pieces, ``[pieces, labels]``.
        label_set: The head's labels.
        starts: First character of each piece, ``[pieces]``.
        ends: One past the last, ``[pieces]``.
        strategy: One of ``STRATEGIES``.
        is_subword: Whether the piece continues a word, ``[pieces]``; for ``first``, ``average`` and ``max``.
        ignore_labels: Labels (``none``) or types (otherwise) to leave out.

    Raises:
        ValueError: If the strategy is unknown, or needs ``is_subword`` and it is missing.
    """
    _check(strategy, is_subword)
    if not len(probs):
        return []
    words = _word_starts(strategy, is_subword, len(probs))
    labels, scores = _label_words(probs, words, strategy)
    groups = np.arange(len(words)) if strategy == "none" else _group_starts(labels, label_set)
    word_ends = np.append(words[1:], len(probs)).tolist()
    ranges = list(zip(words.tolist(), word_ends, strict=True))
    means = np.add.reduceat(scores, groups) / np.diff(np.append(groups, len(words))).astype(np.float32)
    names = [_name(label, label_set, strategy) for label in range(len(label_set))]
    labelled = [names[label] for label in labels[groups].tolist()]
    found = []
    for name, score, first, last in zip(
        labelled, means, groups.tolist(), [*groups[1:].tolist(), len(words)], strict=True
    ):
        if name in ignore_labels:
            continue
        low, high = ranges[first][0], ranges[last - 1][1]
        found.append(Group(name, score, int(starts[low]), int(ends[high - 1]), (low, high), tuple(ranges[first:last])))
    return found


def find_subwords(
    strings: Sequence[str],
    text: str,
    *,
    starts: NDArray[np.integer],
    ends: NDArray[np.integer],
    unknown: BoolArray,
    has_prefix: bool,
) -> BoolArray:
    """Whether the pipeline treats each piece as the continuation of a word, ``[pieces]``.

    With a continuation prefix (WordPiece's ``##``), this is a piece whose string is longer or shorter than its slice of
    the text. Without a prefix, it is a piece without a space before it. An unknown piece never is.

    Args:
        strings: The pieces in the vocabulary's spelling, ``[pieces]``.
        text: The text.
        starts: First character of each piece, ``[pieces]``.
        ends: One past the last, ``[pieces]``.
        unknown: Whether it is the unknown piece, ``[pieces]``.
        has_prefix: Whether the tokenizer marks continuations by a prefix.
    """
    if has_prefix:
        lengths = np.fromiter(map(len, strings), np.int64, len(strings))
        goes_on: BoolArray = lengths != ends - starts
    else:
        spaces = np.append(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32) == ord(" "), False)
        at = np.minimum(starts, len(spaces) - 1)
        goes_on = (starts > 0) & ~spaces[at - 1] & ~spaces[at]
    return goes_on & ~unknown


def _check(strategy: str, is_subword: BoolArray | None) -> None:
    if strategy not in STRATEGIES:
        raise ValueError(f"aggregation_strategy {strategy!r}; expected one of {', '.join(STRATEGIES)}")
    if is_subword is None and strategy in ("first", "average", "max"):
        raise ValueError(f"aggregation_strategy {strategy!r} needs to know which pieces are sub-words")


def _word_starts(strategy: str, is_subword: BoolArray | None, n_pieces: int) -> IntArray:
    """The first piece of each word, ``[words]``."""
    if is_subword is None or strategy in ("none", "simple"):
        return np.arange(n_pieces)
    begins = ~is_subword
    begins[0] = True
    return np.flatnonzero(begins)


def _label_words(probs: FloatArray, words: IntArray, strategy: str) -> tuple[IntArray, FloatArray]:
    """The label of each word and its probability, both ``[words]``."""
    if strategy == "average":
        n_pieces = np.diff(np.append(words, len(probs)))
        probs = (np.add.reduceat(probs, words, axis=0) / n_pieces[:, None]).astype(np.float32)
    elif strategy == "max":
        probs = probs[_surest(probs.max(axis=1), words)]
    else:
        probs = probs[words]
    labels = probs.argmax(axis=1)
    return labels, np.take_along_axis(probs, labels[:, None], axis=1)[:, 0]


def _surest(best: FloatArray, words: IntArray) -> IntArray:
    """The piece of each word with the highest probability; of equal ones, the first, ``[words]``."""
    n_pieces = np.diff(np.append(words, len(best)))
    highest = np.repeat(np.maximum.reduceat(best, words), n_pieces)
    candidates = np.where(best == highest, np.arange(len(best)), len(best))
    surest: IntArray = np.minimum.reduceat(candidates, words)
    return surest


def _group_starts(labels: IntArray, label_set: LabelSet) -> IntArray:
    """The first word of each group, ``[groups]``; neighbours outside are a group too."""
    parted = label_set.boundaries
    for label in np.flatnonzero(label_set.outside).tolist():
        parted[label, label] = False
    begins = np.ones(len(labels), bool)
    begins[1:] = parted[labels[:-1], labels[1:]]
    return np.flatnonzero(begins)


def _name(label: int, label_set: LabelSet, strategy: str) -> str:
    type_id = int(label_set.type_ids[label])
    if strategy == "none" or type_id < 0 or not label_set.types:
        return label_set.labels[label]
    return label_set.types[type_id]

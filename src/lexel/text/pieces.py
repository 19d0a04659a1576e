"""The types that all tokenizers share: pieces with offsets, special pieces, and the interface of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of a batch of texts, concatenated; text ``i`` owns ``[bounds[i], bounds[i + 1])``.

    Offsets are half-open and count characters of the piece's own text. Within a text, ``starts`` never decreases.
    Pieces may overlap (several byte-level pieces of one character) and may be empty (a piece of only white space).

    Attributes:
        ids: Index of each piece in the vocabulary, ``[pieces]``.
        starts: First character of each piece, ``[pieces]``.
        ends: One past its last character, ``[pieces]``.
        words: The pre-tokeniser's word it belongs to, counted from 0 in each text, ``[pieces]``.
        bounds: Where each text begins and ends, ``[texts + 1]``.
    """

    ids: Int32Array
    starts: Int32Array
    ends: Int32Array
    words: Int32Array
    bounds: Int64Array

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def texts(self) -> Int64Array:
        """Index of the text that each piece belongs to, ``[pieces]``."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))


@dataclass(frozen=True, slots=True)
class SpecialPieces:
    """The pieces around a model's input, by vocabulary index.

    One text is ``prefix + A + suffix``; two are ``pair_prefix + A + pair_middle + B + pair_suffix``.

    Attributes:
        prefix: Before a single text: ``[CLS]``.
        suffix: After a single text: ``[SEP]``.
        pair_prefix: Before the first text of a pair.
        pair_middle: Between the texts of a pair.
        pair_suffix: After the second text of a pair.
        pair_type_id: Type of the second text (BERT's sentence B): 1 for BERT, 0 for RoBERTa.
        pad: The padding piece; it is ignored.
        unk: The piece for characters outside the vocabulary, if there is one.
        mask: The mask piece, if there is one.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pair_prefix: tuple[int, ...]
    pair_middle: tuple[int, ...]
    pair_suffix: tuple[int, ...]
    pair_type_id: int
    pad: int
    unk: int | None
    mask: int | None


class Tokenizer(Protocol):
    """The interface of a tokenizer. Safe to share between threads.

    Attributes:
        special: The special pieces of the model.
        n_pieces: Largest index in the vocabulary, plus one.
        n_own_pieces: The same without pieces that were added to the vocabulary, if known.
        max_length: Longest sequence in the folder's tokenizer_config.json; ``None`` if it has none.
        shows_continuation: Whether a piece's spelling marks the continuation of a word (``##ing``).
    """

    special: SpecialPieces
    n_pieces: int
    n_own_pieces: int
    max_length: int | None
    shows_continuation: bool

    def encode(self, texts: Sequence[str]) -> Pieces:
        """Cut texts into pieces, without special pieces around them; any Python string is a text."""
        ...

    def encode_words(self, texts: Sequence[str], words: Sequence[Int32Array]) -> Pieces:
        """Cut given words into pieces, so that no piece crosses a word.

        Args:
            texts: The texts that the offsets index.
            words: For each text the ``(start, end)`` of its words, ``[words, 2]``.

        Returns:
            Pieces whose ``words`` index the given words; a word may have none.
        """
        ...

    def strings(self, ids: Sequence[int] | Int32Array) -> list[str]:
        """The vocabulary's own spelling of each piece: ``##ing``, ``▁the``."""
        ...

    def join(self, strings: Sequence[str]) -> str:
        """Pieces in the vocabulary's spelling as readable text."""
        ...

    def decode(self, ids: Sequence[int] | Int32Array) -> str:
        """Pieces as readable text, without special pieces."""
        ...


def check_words(texts: Sequence[str], words: Sequence[Int32Array]) -> None:
    """Refuse words with invalid offsets.

    Raises:
        ValueError: If there is not one array of words per text, or a word is outside its text or before its neighbour.
    """
    if len(texts) != len(words):
        raise ValueError(f"words: {len(words)} arrays for {len(texts)} texts; pass one array of words a text")
    ranges = join_words(words)
    text_of = np.repeat(np.arange(len(texts)), np.fromiter(map(len, words), np.int64, len(words)))
    follows = np.append(False, text_of[1:] == text_of[:-1])[: len(ranges)]
    earliest = np.where(follows, np.append(0, ranges[:-1, 1])[: len(ranges)], 0)
    latest = np.fromiter(map(len, texts), np.int64, len(texts))[text_of]
    wrong = (ranges[:, 0] < earliest) | (ranges[:, 1] < ranges[:, 0]) | (ranges[:, 1] > latest)
    if wrong.any():
        i = int(text_of[wrong.argmax()])
        raise ValueError(
            f"words[{i}]: ranges {np.asarray(words[i]).tolist()!s:.80} do not fit a text of {len(texts[i])} "
            "characters; they must lie inside it, in order, without overlap"
        )


def join_words(words: Sequence[Int32Array]) -> Int64Array:
    """The words of all texts in one array, ``[words, 2]``."""
    return np.concatenate([np.empty((0, 2), np.int64), *(np.asarray(one, np.int64).reshape(-1, 2) for one in words)])

"""A tokenizer whose pieces are single characters, for models trained in this way (CKIP's, Lexel's own).

It is a table look-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lexel.text.alignment import Chars, bounds_of, ranges_to_indexes, read_chars
from lexel.text.pieces import Int32Array, Int64Array, Pieces, SpecialPieces, check_words, join_words

_REPLACEMENT = 0xFFFD
_FULL_WIDTH = 0xFEE0
"""Distance of a full-width form from its ASCII character."""


class CharTokenizer:
    """Every code point is one piece: its vocabulary entry, else the unknown piece.

    Nothing is lower-cased, composed or dropped. White space (``str.isspace()``) is also a piece, always the unknown
    one; a lone surrogate counts as U+FFFD. So the pieces of a text are exactly its characters.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        *,
        special: SpecialPieces,
        max_length: int | None = None,
        folds_width: bool = False,
    ) -> None:
        """Make the look-up table.

        Args:
            vocab: Pieces and their indexes; only those of one character can occur in a text.
            special: The special pieces; there must be an unknown piece.
            max_length: Longest sequence in the files.
            folds_width: Read full-width letters and digits as their ASCII characters.

        Raises:
            ValueError: If there is no unknown piece.
        """
        if special.unk is None:
            raise ValueError("characters outside the vocabulary need a piece; special.unk is None")
        self.special = special
        self.n_pieces: int = max(vocab.values()) + 1
        self.n_own_pieces: int = self.n_pieces
        self.max_length = max_length
        self.shows_continuation = True  # each is a separate unit
        self._strings = {index: piece for piece, index in vocab.items()}
        self._table = _look_up_table(vocab, special.unk, folds_width=folds_width)

    @property
    def ids_by_code(self) -> Int32Array:
        """The index of each code point's piece, ``[codes]``; the last one is for all higher code points."""
        return self._table

    def encode(self, texts: Sequence[str]) -> Pieces:
        """One piece per character; ``words`` also count characters."""
        chars = read_chars(texts)
        own = (np.arange(len(chars)) - np.repeat(chars.bounds[:-1], np.diff(chars.bounds))).astype(np.int32)
        return Pieces(self._look_up(chars), own, own + np.int32(1), own, chars.bounds)

    def encode_words(self, texts: Sequence[str], words: Sequence[Int32Array]) -> Pieces:
        """The pieces of the characters inside the given words; ``words`` index the given words.

        Raises:
            ValueError: If a word is outside its text, or before its neighbour.
        """
        check_words(texts, words)
        chars = read_chars(texts)
        word_bounds = bounds_of(map(len, words), len(words))
        ranges = join_words(words)
        n_words = np.diff(word_bounds)
        lengths = ranges[:, 1] - ranges[:, 0]
        own = ranges_to_indexes(ranges[:, 0], lengths)
        flat = ranges_to_indexes(ranges[:, 0] + np.repeat(chars.bounds[:-1], n_words), lengths)
        word = np.repeat(np.arange(len(ranges)) - np.repeat(word_bounds[:-1], n_words), lengths)
        bounds = np.append(0, np.cumsum(lengths))[word_bounds]
        starts = own.astype(np.int32)
        return Pieces(self._look_up(chars)[flat], starts, starts + np.int32(1), word.astype(np.int32), bounds)

    def strings(self, ids: Sequence[int] | Int32Array) -> list[str]:
        """The vocabulary's spelling of each piece; empty for an index without a piece.

        Raises:
            KeyError: If the vocabulary ends before that index.
        """
        return [self._string(index) for index in np.asarray(ids).tolist()]

    def _string(self, index: int) -> str:
        if not 0 <= index < self.n_pieces:
            raise KeyError(f"no piece has index {index}; the vocabulary has {self.n_pieces} pieces")
        return self._strings.get(index, "")

    def join(self, strings: Sequence[str]) -> str:
        """The pieces, joined."""
        return "".join(strings)

    def decode(self, ids: Sequence[int] | Int32Array) -> str:
        """The pieces' characters, joined, without the special pieces around a text and without padding."""
        special = self.special
        hidden = {*special.prefix, *special.suffix, special.pad}
        return "".join(self._string(index) for index in np.asarray(ids).tolist() if index not in hidden)

    def _look_up(self, chars: Chars) -> Int32Array:
        table = self._table
        return table[np.minimum(chars.codes, len(table) - 1)]


def _look_up_table(vocab: Mapping[str, int], unk: int, *, folds_width: bool) -> Int32Array:
    """Index by code point, ``[codes]``, up to the highest in the vocabulary; the last row is for all higher ones."""
    singles = {ord(piece): index for piece, index in vocab.items() if len(piece) == 1 and not piece.isspace()}
    if folds_width:
        singles |= {ord(wide): vocab[narrow] for wide, narrow in folded_chars(vocab).items()}
    table = np.full(max(singles, default=0) + 2, unk, np.int32)
    codes: Int64Array = np.fromiter(singles, np.int64, len(singles))
    table[codes] = np.fromiter(singles.values(), np.int32, len(singles))
    if len(table) > 0xD800:
        table[0xD800:0xE000] = singles.get(_REPLACEMENT, unk)
    return table


def folded_chars(vocab: Mapping[str, int]) -> dict[str, str]:
    """Full-width letters and digits, and the ASCII characters of the vocabulary that replace them.

    This includes those in the vocabulary: they are so rare in text that a model hardly knows them.
    """
    narrow = (chr(code) for code in range(128) if chr(code).isalnum())
    return {chr(ord(char) + _FULL_WIDTH): char for char in narrow if char in vocab}

"""A table for characters that are always a piece by themselves, which is faster than the library.

With BERT's normaliser and pre-tokeniser, every ideograph and every punctuation mark is a word. In Chinese text, these
are nearly all characters, so the library only cuts the parts between them: Latin words and numbers. For the common
ideographs this is known in advance, if the normaliser separates them. Every other character is tested with the library
once.

Short parts are also cut only once and cached, since texts repeat numbers and names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import models, normalizers, pre_tokenizers

from lexel.text.alignment import Chars, bounds_of, ranges_to_indexes, read_chars
from lexel.text.pieces import Int32Array, Int64Array, Pieces, join_words

_UNASKED, _HARD, _DROPPED = -1, -2, -3
"""States of a character without its own piece: not tested yet; depends on its neighbours; white space."""

_N_CODES = 0x110000
_IDEOGRAPHS = range(0x4E00, 0xA000)
"""Unicode's block of CJK unified ideographs; none has a case, an accent or a decomposition."""

_SHIELD = "a"
_SHORT = 24
"""Maximum length of a cached part, in characters."""

_REMEMBERED = 100_000

Found = bytes
"""The library's result for a part: id, start, end and word of each piece, as int32."""

_FIELDS = 4
_PIECE_BYTES = 4 * _FIELDS


def has_lone_chars(backend: tokenizers.Tokenizer) -> bool:
    """Whether a tokenizer decides characters by themselves: WordPiece behind BERT's normaliser and pre-tokeniser.

    An added piece that must be a whole word would depend on its neighbours, and one that is matched in normalised text
    would include neighbouring white space and dropped characters.
    """
    added = backend.get_added_tokens_decoder().values()
    return (
        isinstance(backend.model, models.WordPiece)
        and isinstance(backend.normalizer, normalizers.BertNormalizer)
        and isinstance(backend.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and not any(piece.single_word or (piece.normalized and _takes_blanks(piece)) for piece in added)
        and [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(_SHIELD)] == [_SHIELD]
    )


def _takes_blanks(piece: tokenizers.AddedToken) -> bool:
    return piece.lstrip or piece.rstrip or any(map(str.isspace, piece.content))


@dataclass(frozen=True, slots=True)
class _Stretches:
    """The parts between lone characters: flat ranges, ``[stretches]`` each."""

    starts: Int64Array
    ends: Int64Array


class LoneChars:
    """Cuts texts into pieces with the table, and with the library between the characters of the table.

    Args:
        backend: A tokenizer for which ``has_lone_chars`` holds.
        encode: How it cuts texts into pieces.
    """

    def __init__(self, backend: tokenizers.Tokenizer, encode: Callable[[Sequence[str]], Pieces]) -> None:
        self._encode = encode
        self._id_of: Callable[[str], int | None] = backend.token_to_id
        self._unk = self._id_of(backend.model.unk_token)
        self._knows_ideographs = backend.normalizer.handle_chinese_chars
        self._table = np.full(_N_CODES, _UNASKED, np.int32)
        contents = [piece.content for piece in backend.get_added_tokens_decoder().values()]
        self._in_added = set("".join(contents))  # an added piece can span words
        self._remembered: dict[str, Found] = {}

    def encode(self, texts: Sequence[str]) -> Pieces:
        """Cut texts without lone surrogates into pieces."""
        return self._cut(read_chars(texts), "".join(texts))

    def encode_words(self, texts: Sequence[str], words: Sequence[Int32Array]) -> Pieces:
        """Cut given words without lone surrogates into pieces, each as if it were a text."""
        chars, ranges, bounds = read_chars(texts), join_words(words), bounds_of(map(len, words), len(words))
        n_words, lengths = np.diff(bounds), ranges[:, 1] - ranges[:, 0]
        at = ranges_to_indexes(ranges[:, 0] + np.repeat(chars.bounds[:-1], n_words), lengths)
        inside = Chars(chars.codes[at], chars.space[at], bounds_of(lengths, len(lengths)))
        pieces = self._cut(inside, inside.codes.astype("<u4").tobytes().decode("utf-32-le"))
        word = pieces.texts
        shift = ranges[word, 0].astype(np.int32)
        number = (word - np.repeat(bounds[:-1], n_words)[word]).astype(np.int32)
        return Pieces(pieces.ids, pieces.starts + shift, pieces.ends + shift, number, pieces.bounds[bounds])

    def _cut(self, chars: Chars, text: str) -> Pieces:
        """The pieces of texts that are concatenated in ``text``."""
        states = self._states(chars)
        own = states >= 0
        stretches = _between(states, chars.bounds)
        found = self._ask(text, stretches)
        counts = own.astype(np.int32)  # pieces that begin at each character's place
        counts[stretches.starts] = np.fromiter(map(len, found), np.int32, len(found)) // _PIECE_BYTES
        place = np.cumsum(counts) - counts
        return _Assembly(chars, states, own, stretches, found, counts, place).pieces()

    def _states(self, chars: Chars) -> Int32Array:
        """The piece of each character, or its state, ``[chars]``."""
        states: Int32Array = self._table.take(chars.codes)
        new = states == _UNASKED
        if new.any():
            self._learn(np.unique(chars.codes[new]))
            states = self._table.take(chars.codes)
        return states

    def _learn(self, codes: NDArray[np.uint32]) -> None:
        known = (codes >= _IDEOGRAPHS.start) & (codes < _IDEOGRAPHS.stop) & self._knows_ideographs
        ideographs = list(map(chr, codes[known].tolist()))
        self._table[codes[known]] = list(map(self._ideograph, ideographs))
        if not known.all():
            self._ask_about(codes[~known])

    def _ideograph(self, char: str) -> int:
        index = self._id_of(char)
        index = self._unk if index is None else index
        return _HARD if index is None or char in self._in_added else index

    def _ask_about(self, codes: NDArray[np.uint32]) -> None:
        """Test characters with the library: each between two letters, which must not change, and each alone."""
        chars = list(map(chr, codes.tolist()))
        shielded = _each(self._encode([_SHIELD + c + _SHIELD for c in chars]))
        self._table[codes] = list(map(self._state, chars, shielded, _each(self._encode(chars))))

    def _state(self, char: str, shielded: Found, alone: Found) -> int:
        ids, starts, ends, words = np.frombuffer(shielded, np.int32).reshape(-1, _FIELDS).T.tolist()
        if char in self._in_added:
            return _HARD
        if char.isspace():
            return _DROPPED if words == [0, 1] and not alone else _HARD
        apart = words == [0, 1, 2] and (starts[1], ends[1]) == (1, 2)
        apart = apart and np.frombuffer(alone, np.int32)[::_FIELDS].tolist() == [ids[1]]
        return ids[1] if apart else _HARD

    def _ask(self, text: str, stretches: _Stretches) -> list[Found]:
        """The library's result for each part."""
        strings = [text[a:b] for a, b in zip(stretches.starts.tolist(), stretches.ends.tolist(), strict=True)]
        known = self._remembered
        new = list(set(strings).difference(known))
        if not new:
            return list(map(known.__getitem__, strings))
        fresh = dict(zip(new, _each(self._encode(new)), strict=True))
        results = [fresh[string] if string in fresh else known[string] for string in strings]
        short = ((string, one) for string, one in fresh.items() if len(string) <= _SHORT)
        known.update(islice(short, max(_REMEMBERED - len(known), 0)))
        return results


def _each(pieces: Pieces) -> Iterator[Found]:
    """The pieces of each text."""
    rows = np.stack((pieces.ids, pieces.starts, pieces.ends, pieces.words), axis=1).tobytes()
    return (rows[a:b] for a, b in pairwise((pieces.bounds * _PIECE_BYTES).tolist()))


def _between(states: Int32Array, bounds: Int64Array) -> _Stretches:
    """Runs of other characters within one text; white space separates words, so it also separates parts."""
    hard = np.flatnonzero(states == _HARD)
    if not len(hard):
        return _Stretches(hard, hard)
    text = np.searchsorted(bounds, hard, side="right")
    first = np.flatnonzero((np.diff(hard, prepend=-2) != 1) | (np.diff(text, prepend=-1) != 0))
    last = np.append(first[1:], len(hard)) - 1
    return _Stretches(hard[first], hard[last] + 1)


@dataclass(frozen=True, slots=True)
class _Assembly:
    """Pieces of lone characters and of the parts between them, to be put in order."""

    chars: Chars
    states: Int32Array
    own: NDArray[np.bool_]
    stretches: _Stretches
    found: list[Found]
    counts: Int32Array
    place: NDArray[Any]

    def pieces(self) -> Pieces:
        bounds = np.append(self.place, self.counts.sum())[self.chars.bounds].astype(np.int64)
        n = int(bounds[-1])
        ids, starts, ends = (np.empty(n, np.int32) for _ in range(3))
        new_word = np.ones(n, np.bool_)
        at, lone = self.place[self.own], np.flatnonzero(self.own)
        ids[at], starts[at], ends[at] = self.states[self.own], lone, lone + 1
        if self.found:
            self._put_stretches(ids, starts, ends, new_word)
        shift = np.repeat(self.chars.bounds[:-1], np.diff(bounds)).astype(np.int32)
        return Pieces(ids, starts - shift, ends - shift, _numbered(new_word, bounds), bounds)

    def _put_stretches(
        self, ids: Int32Array, starts: Int32Array, ends: Int32Array, new_word: NDArray[np.bool_]
    ) -> None:
        rows = np.frombuffer(b"".join(self.found), np.int32).reshape(-1, _FIELDS)
        lengths = self.counts[self.stretches.starts]
        first = bounds_of(lengths, len(lengths))[:-1]
        slots = np.arange(len(rows)) + np.repeat(self.place[self.stretches.starts] - first, lengths)
        shift = np.repeat(self.stretches.starts, lengths)
        ids[slots], starts[slots], ends[slots] = rows[:, 0], rows[:, 1] + shift, rows[:, 2] + shift
        begins = np.diff(rows[:, 3], prepend=-1) != 0
        begins[first[lengths > 0]] = True
        new_word[slots] = begins


def _numbered(new_word: NDArray[np.bool_], bounds: Int64Array) -> Int32Array:
    """Words counted from 0 in each text, ``[pieces]``."""
    count = np.append(np.cumsum(new_word, dtype=np.int32), 0)
    before = count[bounds[:-1]] if len(new_word) else np.zeros(len(bounds) - 1, np.int32)
    words: Int32Array = count[:-1] - np.repeat(before, np.diff(bounds))
    return words.astype(np.int32)

"""Traditional and simplified Chinese: a model reads text in its own script, and offsets refer to the caller's text.

``in_script`` wraps a tokenizer. The text is converted before it is cut into pieces, and the offsets of the pieces are
mapped back, so all later steps work on the original text. OpenCC's ``s2t`` and ``t2s``
(https://github.com/BYVoid/OpenCC) convert each run of Han characters separately; other text does not change.

A conversion nearly always keeps the length, and then offsets are the same. If a run changes its length, the equal parts
at its beginning and end are removed; the rest, at least one character, is one *block*. A piece that overlaps a block
covers all of it:

    original   0 1 2 3 4      甲 乙 丙 丁        block [1, 3)
    converted  0 1 2 3        甲 戊 丁           block [1, 2)
    piece 戊 is [1, 2) there, and [1, 3) in the original
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lexel.errors import MissingExtra
from lexel.text.pieces import Int32Array, Int64Array, Pieces, SpecialPieces, Tokenizer, check_words

Script = Literal["simplified", "traditional", "as-is"]
SCRIPTS: tuple[Script, ...] = get_args(Script)

Convert = Callable[[Sequence[str]], Sequence[str]]
"""Converts runs of Han characters to another script, one for one."""

_CONFIGS = {"simplified": "t2s", "traditional": "s2t"}
_HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+")
"""A run of Han characters: no other character is ever converted (a test checks all of them with OpenCC)."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A text in another script, with the places where it is longer or shorter than the original.

    Attributes:
        text: The converted text.
        blocks: Start and end in the original, start and end in ``text`` of each block, in order, never touching,
            ``[blocks, 4]``; all else is of equal length.
    """

    text: str
    blocks: Int64Array

    def starts_in_original(self, offsets: NDArray[Any]) -> Int64Array:
        """Map start offsets of the converted text to the original."""
        block = np.searchsorted(self.blocks[:, 2], offsets, side="right")
        start, end, _, there = _edges(self.blocks, block)
        return np.asarray(np.where(offsets < there, start, end + offsets - there))

    def ends_in_original(self, offsets: NDArray[Any]) -> Int64Array:
        """Map end offsets of the converted text to the original."""
        block = np.searchsorted(self.blocks[:, 2], offsets, side="left")
        _, end, _, there = _edges(self.blocks, block)
        return np.asarray(end + np.maximum(offsets - there, 0))

    def from_original(self, offsets: NDArray[Any]) -> Int64Array:
        """Map offsets of the original to the converted text; an offset inside a block becomes the block's end."""
        block = np.searchsorted(self.blocks[:, 0], offsets, side="left")
        _, end, _, there = _edges(self.blocks, block)
        return np.asarray(there + np.maximum(offsets - end, 0))


def _edges(blocks: Int64Array, number: NDArray[np.intp]) -> Int64Array:
    """The four edges of blocks by number from 1, ``[4, ...]``; number 0 is before all of them."""
    return np.moveaxis(np.concatenate((np.zeros((1, 4), np.int64), blocks))[number], -1, 0)


def convert_texts(texts: Sequence[str], convert: Convert) -> list[Converted]:
    """Convert each run of Han characters of each text separately.

    Args:
        texts: Any Python strings.
        convert: What converts runs; it is called once for all of them.
    """
    found = [list(_HAN.finditer(text)) for text in texts]
    converted = iter(convert([match[0] for matches in found for match in matches]))
    return [
        _put_together(text, [(match.start(), match[0], next(converted)) for match in matches])
        for text, matches in zip(texts, found, strict=True)
    ]


def _put_together(text: str, runs: Iterable[tuple[int, str, str]]) -> Converted:
    """A text with its runs (start, original, converted) replaced."""
    parts: list[str] = []
    blocks: list[tuple[int, int, int, int]] = []
    done = shift = 0  # how much of the original is copied, and how much longer the copy is
    for start, original, converted in runs:
        parts += (text[done:start], converted)
        done = start + len(original)
        if len(original) != len(converted):
            before, after = _equal_ends(original, converted)
            there = start + shift
            shift += len(converted) - len(original)
            blocks.append((start + before, done - after, there + before, done + shift - after))
    return Converted("".join((*parts, text[done:])), np.array(blocks, np.int64).reshape(-1, 4))


def _equal_ends(original: str, converted: str) -> tuple[int, int]:
    """Number of equal characters at the beginning and at the end; at least one character of each is left over."""
    most = max(min(len(original), len(converted)) - 1, 0)
    before = next((i for i in range(most) if original[i] != converted[i]), most)
    after = next((i for i in range(most - before) if original[-1 - i] != converted[-1 - i]), most - before)
    return before, after


class ScriptTokenizer:
    """A tokenizer that converts text to one script first; see ``Tokenizer``."""

    def __init__(self, tokenizer: Tokenizer, convert: Convert) -> None:
        self.special: SpecialPieces = tokenizer.special
        self.n_pieces: int = tokenizer.n_pieces
        self.n_own_pieces: int = tokenizer.n_own_pieces
        self.max_length: int | None = tokenizer.max_length
        self.shows_continuation: bool = tokenizer.shows_continuation
        self.strings = tokenizer.strings
        self.join = tokenizer.join
        self.decode = tokenizer.decode
        self._tokenizer = tokenizer
        self._convert = convert

    def encode(self, texts: Sequence[str]) -> Pieces:
        """Pieces of the converted texts, with offsets into the original texts."""
        converted = convert_texts(texts, self._convert)
        return _mapped_back(self._tokenizer.encode([one.text for one in converted]), converted)

    def encode_words(self, texts: Sequence[str], words: Sequence[Int32Array]) -> Pieces:
        """Pieces of given words; if a block crosses words, its pieces belong to the word in which it begins.

        Raises:
            ValueError: If a word lies outside its text, or before its neighbour.
        """
        check_words(texts, words)
        converted = convert_texts(texts, self._convert)
        places = [
            one.from_original(np.asarray(own).reshape(-1, 2)).astype(np.int32)
            for one, own in zip(converted, words, strict=True)
        ]
        pieces = self._tokenizer.encode_words([one.text for one in converted], places)
        return _mapped_back(pieces, converted, words=words)


def _mapped_back(
    pieces: Pieces, converted: Sequence[Converted], *, words: Sequence[Int32Array] | None = None
) -> Pieces:
    """The same pieces with offsets into the original texts, and inside their words if these are given."""
    if not any(len(one.blocks) for one in converted):
        return pieces
    starts, ends = pieces.starts.copy(), pieces.ends.copy()
    for i, one in enumerate(converted):
        own = slice(*pieces.bounds[i : i + 2])
        if not len(one.blocks) or own.start == own.stop:
            continue
        first, last = one.starts_in_original(starts[own]), one.ends_in_original(ends[own])
        last = np.where(starts[own] == ends[own], first, last)
        if words is not None:
            low, high = np.asarray(words[i]).reshape(-1, 2)[pieces.words[own]].T
            first, last = np.clip(first, low, high), np.clip(last, low, high)
        starts[own], ends[own] = first, last
    return replace(pieces, starts=starts, ends=ends)


def in_script(tokenizer: Tokenizer, script: str) -> Tokenizer:
    """The tokenizer, reading every text as simplified or traditional Chinese, or unchanged.

    Raises:
        ValueError: If there is no such script.
        MissingExtra: If OpenCC is not installed.
    """
    if script not in SCRIPTS:
        raise ValueError(f"script is {script!r}; expected one of {', '.join(SCRIPTS)}")
    return tokenizer if script == "as-is" else ScriptTokenizer(tokenizer, converter(script))


@cache
def converter(script: str) -> Convert:
    """The converter of runs to ``simplified`` or ``traditional``.

    Raises:
        MissingExtra: If OpenCC is not installed.
    """
    try:
        import opencc
    except ImportError as error:
        raise MissingExtra('converting Chinese script needs OpenCC: pip install "lexel[script]"') from error
    library = opencc.OpenCC(_CONFIGS[script])

    def convert(runs: Sequence[str]) -> Sequence[str]:
        together: str = library.convert("\n".join(runs))  # no entry of OpenCC's tables contains a line end
        return together.split("\n") if runs else []

    return convert

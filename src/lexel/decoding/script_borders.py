"""Finds where ideographs, Latin letters, digits and marks meet: Chinese words nearly always end there.

They never end in a run of Latin letters and digits.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
LETTERS_AND_DIGITS = (
    (0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x24F), (0x1E00, 0x1EFF),
    (0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A),
)  # fmt: skip
ASCII_MARKS = ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E))
"""ASCII punctuation, including that of hashtags, addresses and emoticons."""

WIDE_MARKS = (
    (0x2012, 0x2018), (0x201A, 0x2027), (0x203B, 0x205E), (0x3001, 0x3003), (0x3008, 0x3020), (0xFF01, 0xFF03),
    (0xFF06, 0xFF0A), (0xFF0C, 0xFF0C), (0xFF1A, 0xFF1B), (0xFF1F, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65),
)  # fmt: skip
"""Punctuation of Chinese, without signs that belong to numbers and the apostrophe."""

_KINDS = (IDEOGRAPHS, LETTERS_AND_DIGITS, ASCII_MARKS, WIDE_MARKS)
_IDEOGRAPH, _LETTER, _ASCII_MARK, _WIDE_MARK = range(1, len(_KINDS) + 1)


def script_borders(codes: NDArray[np.uint32], bounds: NDArray[np.int64]) -> NDArray[np.int8]:
    """Whether a word begins at each character: 1 for nearly always, -1 for nearly never, 0 for unknown; ``[chars]``.

    Args:
        codes: Code points of a batch of texts, ``[chars]``.
        bounds: Text ``i`` owns the characters ``[bounds[i], bounds[i + 1])``, ``[texts + 1]``.
    """
    kinds = _kinds()[np.minimum(codes, IDEOGRAPHS[-1][1] + 1)]
    signs = np.zeros(len(codes), np.int8)
    signs[1:] = _signs()[kinds[:-1], kinds[1:]]
    signs[bounds[bounds < len(codes)]] = 0
    return signs


@cache
def _kinds() -> NDArray[np.uint8]:
    """By code point: the number of a kind of characters, 0 for others; the last is for higher code points."""
    table = np.zeros(IDEOGRAPHS[-1][1] + 2, np.uint8)
    for number, ranges in enumerate(_KINDS, 1):
        for first, last in ranges:
            table[first : last + 1] = number
    return table


@cache
def _signs() -> NDArray[np.int8]:
    """By the kinds of two neighbours, in either order: what ``script_borders`` says of the second."""
    table = np.zeros((len(_KINDS) + 1, len(_KINDS) + 1), np.int8)
    for one, other in (
        (_IDEOGRAPH, _LETTER),
        (_IDEOGRAPH, _ASCII_MARK),
        (_WIDE_MARK, _LETTER),
        (_WIDE_MARK, _ASCII_MARK),
    ):
        table[one, other] = table[other, one] = 1
    table[_LETTER, _LETTER] = -1  # between wide marks and ideographs, the model knows
    return table

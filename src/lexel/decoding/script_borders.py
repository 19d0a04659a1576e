"""Finds borders between Latin letters, digits or marks and ideographs, where Chinese words nearly always end."""

from __future__ import annotations

from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
LATIN_LETTERS = (
    (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x24F), (0x1E00, 0x1EFF), (0xFF21, 0xFF3A),
    (0xFF41, 0xFF5A),
)  # fmt: skip
DIGITS = ((0x30, 0x39), (0xFF10, 0xFF19))
MARKS = ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E))
"""ASCII punctuation, including that of hashtags, addresses and emoticons."""

_IDEOGRAPH, _OTHER_SIDE = 1, 2


def script_borders(codes: NDArray[np.uint32], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """The characters that begin after such a border, ``[borders]``.

    Args:
        codes: Code points of a batch of texts, ``[chars]``.
        bounds: Text ``i`` owns the characters ``[bounds[i], bounds[i + 1])``, ``[texts + 1]``.
    """
    table = _sides()
    sides = table[np.minimum(codes, len(table) - 1)]
    meet = sides[1:] + sides[:-1] == _IDEOGRAPH + _OTHER_SIDE
    meet[bounds[(bounds > 0) & (bounds < len(codes))] - 1] = False
    return np.asarray(meet.nonzero()[0] + 1)


@cache
def _sides() -> NDArray[np.uint8]:
    """By code point: 1 for ideographs, 2 for Latin letters, digits and marks, else 0; the last is for higher ones."""
    table = np.zeros(IDEOGRAPHS[-1][1] + 2, np.uint8)
    for side, *kinds in ((_IDEOGRAPH, IDEOGRAPHS), (_OTHER_SIDE, LATIN_LETTERS, DIGITS, MARKS)):
        for first, last in chain(*kinds):
            table[first : last + 1] = side
    return table

"""Characters of a batch of texts, the piece that covers each of them, and offsets in other units.

All arrays are flat: the texts are concatenated, text ``i`` owns ``[bounds[i], bounds[i + 1])``, and no step loops over
characters or pieces in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lexel.text.pieces import Int32Array, Int64Array, Pieces

OffsetUnit = Literal["char", "utf16", "byte"]

_LAST_BLANK = 0x3000
"""The highest code point for which ``str.isspace()`` holds (a test checks it)."""


@dataclass(frozen=True, slots=True)
class Chars:
    """The characters of a batch of texts, concatenated.

    Attributes:
        codes: Unicode code points, lone surrogates included, ``[chars]``.
        space: Whether ``str.isspace()`` holds for the character, ``[chars]``.
        bounds: Where each text begins and ends, ``[texts + 1]``.
    """

    codes: NDArray[np.uint32]
    space: NDArray[np.bool_]
    bounds: Int64Array

    def __len__(self) -> int:
        return len(self.codes)


def read_chars(texts: Sequence[str]) -> Chars:
    """The characters of a batch as arrays, for any Python strings."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(
        np.uint32, copy=False
    )
    blanks = _blank_table()
    return Chars(codes, blanks[np.minimum(codes, len(blanks) - 1)], bounds_of(map(len, texts), len(texts)))


def bounds_of(lengths: object, n: int) -> Int64Array:
    """The bounds of ``n`` consecutive ranges with the given lengths, ``[n + 1]``."""
    bounds = np.zeros(n + 1, np.int64)
    np.fromiter(lengths, np.int64, n).cumsum(out=bounds[1:])  # type: ignore[call-overload]
    return bounds


def flat_ranges(chars: Chars, pieces: Pieces) -> tuple[Int64Array, Int64Array]:
    """Start and end of each piece as flat character indexes, ``[pieces]`` each."""
    shift = chars.bounds[:-1].repeat(pieces.bounds[1:] - pieces.bounds[:-1])
    return pieces.starts + shift, pieces.ends + shift


def merge_pieces(pieces: Pieces) -> tuple[Pieces, Int64Array | None]:
    """Merge pieces that share a character: the merged piece covers all of them, and the first one decides.

    Byte-level pieces of one character share it, and so do the unigram pieces of a character that a normaliser spells
    out (``㍿``).

    Returns:
        The merged pieces, which do not overlap, and the first piece of each, ``[merged]``; ``None`` if no two pieces
        share a character.
    """
    shared = pieces.starts[1:] < pieces.ends[:-1]
    borders = pieces.bounds[1:-1]
    shared[borders[(borders > 0) & (borders < len(pieces))] - 1] = False  # a text's first piece shares no character
    if not shared.any():
        return pieces, None
    shift = pieces.texts * (int(pieces.ends.max()) + 1)  # so that ends of one text are before starts of the next
    covered = np.maximum.accumulate(pieces.ends + shift)
    firsts = np.flatnonzero(np.append(True, (pieces.starts + shift)[1:] >= covered[:-1]))
    ends = np.maximum.reduceat(pieces.ends, firsts)
    bounds = np.searchsorted(firsts, pieces.bounds)
    return Pieces(pieces.ids[firsts], pieces.starts[firsts], ends, pieces.words[firsts], bounds), firsts


def piece_of_char(chars: Chars, pieces: Pieces) -> Int32Array:
    """Flat index of the piece that covers each character, ``[chars]``; -1 for none.

    If pieces overlap, as byte-level pieces of one character do, the first one counts.
    """
    starts, ends = flat_ranges(chars, pieces)
    covered = np.maximum.accumulate(ends)
    starts[1:] = np.maximum(starts[1:], covered[:-1])
    owner = np.full(len(chars), -1, np.int32)
    lengths = np.maximum(ends - starts, 0)
    owner[ranges_to_indexes(starts, lengths)] = np.repeat(np.arange(len(pieces), dtype=np.int32), lengths)
    return owner


def ranges_to_indexes(starts: Int64Array, lengths: Int64Array) -> Int64Array:
    """The indexes in the ranges ``[start, start + length)``, concatenated."""
    ends: Int64Array = lengths.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    indexes: Int64Array = np.arange(total) + (starts - (ends - lengths)).repeat(lengths)
    return indexes


def trim_blanks(chars: Chars, starts: Int64Array, ends: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Strip white space from both ends of flat ranges.

    A range of only white space becomes empty, before the next character of the batch that is not white space.

    Args:
        chars: The characters of the batch.
        starts: Flat start of each range, ``[ranges]``.
        ends: Flat end of each range, at least its start, ``[ranges]``.
    """
    blank = np.zeros(len(chars) + 1, np.bool_)
    blank[:-1] = chars.space
    if not (blank[starts] | ((starts < ends) & blank[ends - 1])).any():
        return starts, ends
    index = np.arange(len(blank))
    next_filled = np.minimum.accumulate(np.where(blank, len(chars), index)[::-1])[::-1]
    past_filled = np.append(0, np.maximum.accumulate(np.where(blank, 0, index + 1)))
    starts = next_filled[starts]
    return starts, np.maximum(past_filled[ends], starts)


def offsets_in_unit(text: str, unit: OffsetUnit) -> Int64Array:
    """The offset of each character of a text in another unit, ``[chars + 1]``; index it with offsets.

    ``utf16`` counts code units (two for a character beyond U+FFFF), as JavaScript and Java do; ``byte`` counts UTF-8
    bytes. A lone surrogate is one code unit, and three bytes as the ``surrogatepass`` error handler writes it.

    Raises:
        ValueError: If the unit is not one of ``char``, ``utf16``, ``byte``.
    """
    if unit not in ("char", "utf16", "byte"):
        raise ValueError(f"unit {unit!r} is not an offset unit; use 'char', 'utf16' or 'byte'")
    if unit == "char" or text.isascii():
        return np.arange(len(text) + 1)
    codes = read_chars([text]).codes
    widths = 1 + (codes > 0xFFFF).astype(np.int64)
    if unit == "byte":
        widths += (codes > 0x7F).astype(np.int64) + (codes > 0x7FF)
    return bounds_of(widths, len(text))


@cache
def _blank_table() -> NDArray[np.bool_]:
    """``str.isspace()`` by code point; the last row is for all higher ones."""
    return np.fromiter((chr(code).isspace() for code in range(_LAST_BLANK + 2)), np.bool_, _LAST_BLANK + 2)

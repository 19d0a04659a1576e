"""Converts offsets between three units, and checks offsets from outside.

Inside Lexel, offsets count code points (``char``). JavaScript, Java and C# count UTF-16 units (``utf16``); Go, Rust and
C count UTF-8 bytes (``byte``). All three agree in text without characters beyond the unit's simple range, so a mistake
can stay hidden for long.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
OffsetUnit = Literal["char", "utf16", "byte"]
OFFSET_UNITS: tuple[str, ...] = get_args(OffsetUnit)


def unit_positions(text: str, unit: str) -> IntArray | None:
    """Position of every char and of the text's end in another unit, ``[chars + 1]``; ``None`` if they are the same.

    A lone surrogate is one UTF-16 unit, or three bytes (as Python's ``surrogatepass`` writes it).

    Raises:
        ValueError: If the unit is unknown.
    """
    if unit not in OFFSET_UNITS:
        raise ValueError(f"offset unit {unit!r}; expected one of {', '.join(OFFSET_UNITS)}")
    if unit == "char" or text.isascii():
        return None
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    sizes = 1 + (codes > 0xFFFF).astype(np.int64)
    if unit == "byte":
        sizes += (codes > 0x7F).astype(np.int64) + (codes > 0x7FF)
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(sizes)))


def pairs_of(items: Any) -> IntArray:
    """Offsets ``[[start, end], ...]`` from outside as an array ``[spans, 2]``.

    Raises:
        ValueError: If an item is not a pair of integers; the message names the first.
    """
    if not items:
        return np.zeros((0, 2), dtype=np.int64)
    try:
        array = np.asarray(items)
    except (ValueError, OverflowError):
        array = np.zeros(0)
    if array.dtype.kind == "i" and array.shape == (len(items), 2):
        return array.astype(np.int64)
    for i, item in enumerate(items):
        if not (isinstance(item, list | tuple) and len(item) == 2 and all(type(value) is int for value in item)):
            raise ValueError(f"[{i}] is {_shown(item)}; expected [start, end], two whole numbers")
    raise ValueError("holds numbers beyond any text; expected offsets")


def chars_of(pairs: IntArray, text: str, *, unit: str) -> IntArray:
    """The same spans in chars, ``[spans, 2]``.

    Raises:
        ValueError: If a span is empty, lies outside the text, or cuts a character in two; the message names the first.
    """
    positions = unit_positions(text, unit)
    size = len(text) if positions is None else int(positions[-1])
    wrong = (pairs[:, 0] < 0) | (pairs[:, 1] > size) | (pairs[:, 0] >= pairs[:, 1])
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(
            f"[{i}] is {pairs[i].tolist()}; expected 0 <= start < end <= {size} ({unit} offsets of this text)"
        )
    if positions is None:
        return pairs
    chars: IntArray = np.searchsorted(positions, pairs).astype(np.int64)
    cut = (positions[chars] != pairs).any(axis=1)
    if cut.any():
        i = int(cut.argmax())
        raise ValueError(
            f"[{i}] is {pairs[i].tolist()}, which cuts a character in two; expected {unit} offsets between characters"
        )
    return chars


def check_order(pairs: IntArray) -> None:
    """Check that words are in order and do not overlap.

    Raises:
        ValueError: If a word begins before the previous one ends; the message names the first.
    """
    if len(pairs) < 2:
        return
    wrong = pairs[1:, 0] < pairs[:-1, 1]
    if wrong.any():
        i = int(wrong.argmax()) + 1
        raise ValueError(
            f"[{i}] is {pairs[i].tolist()}, but [{i - 1}] is {pairs[i - 1].tolist()}; "
            "expected words in order, without overlaps"
        )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."

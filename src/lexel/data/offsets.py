"""Offsets in the three units of the world, and the checks that offsets from outside must pass.

Inside Lexel an offset counts code points (``char``). JavaScript, Java and C# count UTF-16 units (``utf16``), Go,
Rust and C count UTF-8 bytes (``byte``). In text without characters beyond the unit's simple range all three agree,
which is why a mistake between them stays hidden for so long.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
OffsetUnit = Literal["char", "utf16", "byte"]
OFFSET_UNITS: tuple[str, ...] = get_args(OffsetUnit)


def unit_positions(text: str, unit: str) -> IntArray | None:
    """Position of every char and of the text's end in another unit, ``[chars + 1]``; ``None`` where they are the same.

    A lone surrogate is one UTF-16 unit and, as Python's ``surrogatepass`` writes it, three bytes.

    Raises:
        ValueError: If there is no such unit.
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
        ValueError: Naming the first item that is not a pair of whole numbers.
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
        ValueError: Naming the first span that is empty, lies outside of the text, or cuts a character in two.
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
    """Make sure that words come in order and do not overlap.

    Raises:
        ValueError: Naming the first word that begins before the one before it ends.
    """
    if len(pairs) < 2:
        return
    wrong = pairs[1:, 0] < pairs[:-1, 1]
    if wrong.any():
        i = int(wrong.argmax()) + 1
        raise ValueError(
            f"[{i}] is {pairs[i].tolist()}, but [{i - 1}] is {pairs[i - 1].tolist()}; "
            "expected words in order, none over another"
        )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."

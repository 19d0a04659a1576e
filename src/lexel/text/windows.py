"""Long texts as overlapping windows, so that nothing is cut off and every piece is decided exactly once.

Windows of ``size`` pieces follow each other every ``size - overlap`` pieces. A piece inside an overlap is decided by
the window in which it is farthest from a cut, so each window keeps half of every overlap it is part of (the earlier
window keeps the piece in the middle). The ends of the text are no cuts.

    13 pieces, size 8, overlap 4; k is kept, . is only context

    piece                 0 1 2 3 4 5 6 7 8 9 0 1 2
    window 0  [0, 8)      k k k k k k . .
    window 1  [4, 12)             . . k k k k . .
    window 2  [8, 13)                     . . k k k
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lexel.text.pieces import Int64Array


class Window(NamedTuple):
    """Pieces ``[start, end)`` are encoded together, and ``[keep_start, keep_end)`` of them decided here."""

    start: int
    end: int
    keep_start: int
    keep_end: int


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a batch, texts in order, as flat piece indexes.

    Attributes:
        text: Which text a window belongs to, ``[windows]``.
        start: Its first piece, ``[windows]``.
        end: One past its last piece, ``[windows]``.
        keep_start: The first piece that it decides, ``[windows]``.
        keep_end: One past the last piece that it decides, ``[windows]``.
    """

    text: Int64Array
    start: Int64Array
    end: Int64Array
    keep_start: Int64Array
    keep_end: Int64Array

    def __len__(self) -> int:
        return len(self.text)


def plan_windows(n_pieces: int, *, size: int, overlap: int) -> list[Window]:
    """Plan windows that cover every piece, so that each piece is decided exactly once.

    A piece is decided by the window in which it is farthest from a cut.

    Args:
        n_pieces: Length of the sequence, without special pieces.
        size: Longest window the encoder takes, without special pieces.
        overlap: Number of pieces that neighbouring windows share.

    Returns:
        Windows in order; the ``keep`` ranges tile ``[0, n_pieces)``.

    Raises:
        ValueError: If ``overlap`` is not in ``[0, size)``.
    """
    plan = plan_batch(np.array([0, n_pieces]), size=size, overlap=overlap)
    columns = (plan.start, plan.end, plan.keep_start, plan.keep_end)
    return list(map(Window, *(column.tolist() for column in columns)))


def plan_batch(bounds: Int64Array, *, size: int, overlap: int) -> Windows:
    """Plan the windows of every text of a batch at once; a text without pieces has none.

    Args:
        bounds: Where the pieces of each text begin and end, ``[texts + 1]``.
        size: Longest window the encoder takes, without special pieces.
        overlap: Number of pieces that neighbouring windows share.

    Returns:
        Windows in order; the ``keep`` ranges tile ``[bounds[0], bounds[-1])``.

    Raises:
        ValueError: If ``overlap`` is not in ``[0, size)``.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} does not fit windows of {size} pieces; it must be in [0, {size})")
    bounds = np.asarray(bounds, np.int64)
    lengths = np.diff(bounds)
    stride = size - overlap
    # The last window is the first that reaches the end, so none but the last does.
    counts = np.where(lengths > 0, np.maximum(-((overlap - lengths) // stride), 1), 0)
    text = np.repeat(np.arange(len(lengths)), counts)
    rank = np.arange(len(text)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = bounds[text] + rank * stride
    end = np.minimum(start + size, bounds[text + 1])
    first, last = rank == 0, rank == counts[text] - 1
    seam = start + (overlap + 1) // 2
    keep_end = np.where(last, end, np.append(seam[1:], 0)[: len(seam)])
    return Windows(text, start, end, np.where(first, start, seam), keep_end)

"""Splits long texts into overlapping windows, so that nothing is cut off and every piece is decided exactly once.

A window of ``size`` pieces begins every ``size - overlap`` pieces. A piece inside an overlap is decided by the window
in which it is farthest from a cut, so each window keeps half of each of its overlaps (the earlier window keeps the
piece in the middle). The ends of the text are not cuts.

    13 pieces, size 8, overlap 4; k is kept, . is context only

    piece                 0 1 2 3 4 5 6 7 8 9 0 1 2
    window 0  [0, 8)      k k k k k k . .
    window 1  [4, 12)             . . k k k k . .
    window 2  [8, 13)                     . . k k k
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lexel.text.pieces import Int64Array


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a batch, in the order of texts, as flat piece indexes.

    Attributes:
        text: The text of each window, ``[windows]``.
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


def plan_batch(
    bounds: Int64Array, *, size: int | Int64Array, overlap: int | Int64Array, read_empty: bool = False
) -> Windows:
    """Plan the windows of every text of a batch at once.

    Args:
        bounds: The boundaries between the pieces of texts, ``[texts + 1]``.
        size: Maximum window of the encoder, without special pieces; for all texts, or ``[texts]``.
        overlap: Number of pieces that neighbouring windows share; for all texts, or ``[texts]``.
        read_empty: Whether a text without pieces has one empty window, or none.

    Returns:
        Windows in order; the ``keep`` ranges tile ``[bounds[0], bounds[-1])``.

    Raises:
        ValueError: If ``overlap`` is not in ``[0, size)``.
    """
    bounds = np.asarray(bounds, np.int64)
    lengths = np.diff(bounds)
    _check_overlap(size, overlap)
    if (lengths <= size).all() and (read_empty or lengths.all()):  # one window for each text
        return Windows(np.arange(len(lengths)), bounds[:-1], bounds[1:], bounds[:-1], bounds[1:])
    sizes, overlaps = np.broadcast_to(size, lengths.shape), np.broadcast_to(overlap, lengths.shape)
    strides = sizes - overlaps
    # The last window is the first that reaches the end, so only the last does.
    counts = np.where(lengths > 0, np.maximum(-((overlaps - lengths) // strides), 1), int(read_empty))
    text = np.repeat(np.arange(len(lengths)), counts)
    rank = np.arange(len(text)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = bounds[text] + rank * strides[text]
    end = np.minimum(start + sizes[text], bounds[text + 1])
    first, last = rank == 0, rank == counts[text] - 1
    seam = start + (overlaps[text] + 1) // 2
    keep_end = np.where(last, end, np.append(seam[1:], 0)[: len(seam)])
    return Windows(text, start, end, np.where(first, start, seam), keep_end)


def _check_overlap(size: int | Int64Array, overlap: int | Int64Array) -> None:
    if isinstance(size, int) and isinstance(overlap, int) and 0 <= overlap < size:
        return
    overlaps, sizes = np.broadcast_arrays(np.atleast_1d(overlap), size)
    for wrong in np.flatnonzero((overlaps < 0) | (overlaps >= sizes))[:1]:
        most = sizes[wrong]
        raise ValueError(f"overlap {overlaps[wrong]} does not fit windows of {most} pieces; it must be in [0, {most})")

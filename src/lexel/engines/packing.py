"""Sequences packed into rows of a few fixed lengths, so that almost no work is spent on padding.

Best fit, longest first: a sequence goes into the fullest row that still has room for it, else opens a new row of the
smallest length that holds it (at least ``ROW_LENGTH``, or less when little is left to place). Rows of one length are
cut into batches whose row counts are powers of two, so an engine that compiles per shape sees few shapes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.engines.base import Rows

ROW_LENGTHS = (16, 32, 64, 128, 256, 512)
"""The lengths that rows have; a model with more positions adds powers of two up to its own."""

ROW_LENGTH = 128
"""The length of a row that many short sequences share."""

BATCH_PIECES = 1024
"""Slots of a batch unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """What the encoder is to read: sequences laid end to end, special pieces included.

    Attributes:
        ids: Vocabulary indexes, ``[pieces]``.
        type_ids: BERT's sentence A (0) or B (1), ``[pieces]``.
        picked: Whether the scores of a piece are asked for, ``[pieces]``.
        bounds: Sequence i is ``[bounds[i], bounds[i + 1])``, ``[sequences + 1]``.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.int32]
    picked: NDArray[np.bool_]
    bounds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the sequences of one batch of rows stand.

    Attributes:
        n_rows: Number of rows.
        length: Their common length.
        sequences: Indexes of the sequences placed here, ``[placed]``.
        slots: Flat slot of each one's first piece, ``[placed]``.
        numbers: Number of each one in its row, from 1, ``[placed]``.
    """

    n_rows: int
    length: int
    sequences: NDArray[np.int64]
    slots: NDArray[np.int64]
    numbers: NDArray[np.int32]


def row_lengths(max_length: int) -> tuple[int, ...]:
    """The row lengths for a model whose longest sequence is ``max_length``: powers of two, and room for the longest.

    All are multiples of ``ROW_LENGTHS[0]``: the engines' float32 kernels then treat every slot of every row alike, so a
    sequence gets the same scores, bit for bit, wherever it stands.
    """
    longest = -(-max_length // ROW_LENGTHS[0]) * ROW_LENGTHS[0]
    lengths = [length for length in ROW_LENGTHS if length < longest]
    while lengths and lengths[-1] * 2 < longest:
        lengths.append(lengths[-1] * 2)
    return (*lengths, longest)


def pack(lengths: NDArray[np.int64], *, max_length: int, batch_pieces: int = BATCH_PIECES) -> list[Placement]:
    """Place sequences into rows.

    Args:
        lengths: Length of each sequence with its special pieces, ``[sequences]``; none above ``max_length``.
        max_length: The longest sequence that the model takes.
        batch_pieces: Most slots in a batch; a single row may be longer.

    Returns:
        Batches of rows; each sequence stands in exactly one.
    """
    rows = _fill_rows(lengths, row_lengths(max_length))
    by_length: dict[int, list[list[int]]] = defaultdict(list)
    for length, members in rows:
        by_length[length].append(members)
    return [
        _place(lengths, length, batch)
        for length, members in sorted(by_length.items(), reverse=True)
        for batch in _batches(members, max(1, batch_pieces // length))
    ]


def _fill_rows(lengths: NDArray[np.int64], allowed: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Best fit, longest first: rows as (length, indexes of the sequences in them)."""
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order].tolist()
    left = sum(ordered)
    rows: list[tuple[int, list[int]]] = []
    by_room: dict[int, list[int]] = defaultdict(list)  # free slots -> rows with exactly so many
    rooms = 0  # bit n is set when a row with n free slots exists
    for index, length in zip(order.tolist(), ordered, strict=True):
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = by_room[room].pop()
            if not by_room[room]:
                rooms &= ~(1 << room)
        else:
            room = _new_row_length(length, left, allowed)
            row = len(rows)
            rows.append((room, []))
        rows[row][1].append(index)
        left -= length
        if room > length:
            by_room[room - length].append(row)
            rooms |= 1 << (room - length)
    return rows


def _new_row_length(length: int, left: int, allowed: Sequence[int]) -> int:
    wanted = max(length, min(left, ROW_LENGTH))
    return next((size for size in allowed if size >= wanted), allowed[-1])


def _batches(rows: list[list[int]], most: int) -> Iterator[list[list[int]]]:
    """Cut rows into batches of the largest power of two up to ``most``, then smaller powers for the rest."""
    size, start = 1 << (most.bit_length() - 1), 0
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


def _place(lengths: NDArray[np.int64], length: int, rows: list[list[int]]) -> Placement:
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    sequences = np.fromiter((index for members in rows for index in members), np.int64, int(counts.sum()))
    firsts = np.cumsum(counts) - counts  # each row's first place in `sequences`
    row_of = np.repeat(np.arange(len(rows)), counts)
    sizes = lengths[sequences]
    before = np.cumsum(sizes) - sizes
    slots = row_of * length + before - before[firsts][row_of]
    numbers = (np.arange(len(sequences)) - firsts[row_of] + 1).astype(np.int32)
    return Placement(len(rows), length, sequences, slots, numbers)


def build_rows(sequences: Sequences, placement: Placement, *, pad: int) -> tuple[Rows, NDArray[np.int64]]:
    """Lay the placed sequences out as rows.

    Returns:
        The rows, and for each pick the piece of ``sequences`` that it asks for, ``[picks]``.
    """
    starts = sequences.bounds[placement.sequences]
    sizes = sequences.bounds[placement.sequences + 1] - starts
    positions = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pieces = np.repeat(starts, sizes) + positions
    slots = np.repeat(placement.slots, sizes) + positions
    shape = (placement.n_rows, placement.length)

    def spread(values: NDArray[np.int32], empty: int) -> NDArray[np.int32]:
        flat = np.full(placement.n_rows * placement.length, empty, np.int32)
        flat[slots] = values
        return flat.reshape(shape)

    picked = sequences.picked[pieces]
    rows = Rows(
        piece_ids=spread(sequences.ids[pieces], pad),
        position_ids=spread(positions.astype(np.int32), 0),
        type_ids=spread(sequences.type_ids[pieces], 0),
        sequence_ids=spread(np.repeat(placement.numbers, sizes), 0),
        picks=slots[picked].astype(np.int32),
    )
    return rows, pieces[picked]

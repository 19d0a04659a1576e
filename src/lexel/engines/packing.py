"""Packs sequences into rows of a few fixed lengths, so that almost no work is spent on padding.

Best fit, longest first: a sequence goes into the fullest row that still has room for it, else into a new row with
room for ``ROW_LENGTH`` pieces, or twice as many until it fits. A filled row is then cut to the shortest possible
length. Rows of one length are split into batches whose row counts are powers of two, so that an engine that compiles
per shape sees few shapes. A small model computes a few empty slots faster than it starts another batch: in this case,
a batch is filled with longer rows than needed, or with empty ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.engines.base import BATCH_PIECES, Rows

ROW_STEP = 16
"""All row lengths are multiples of this.

The engines' float32 kernels then treat every slot of every row in the same way, so a sequence gets the same scores, bit
for bit, in any position.
"""

ROW_LENGTH = 96
"""Length of a row for short sequences: attention has a cost per row, and shorter rows are harder to fill."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """Concatenated sequences for the encoder, special pieces included.

    Attributes:
        ids: Vocabulary indexes, ``[pieces]``.
        type_ids: BERT's sentence A (0) or B (1), ``[pieces]``.
        picked: Whether the scores of a piece are requested, ``[pieces]``.
        bounds: Sequence i is ``[bounds[i], bounds[i + 1])``, ``[sequences + 1]``.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.int32]
    picked: NDArray[np.bool_]
    bounds: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Placement:
    """The places of sequences in one batch of rows.

    Attributes:
        n_rows: Number of rows.
        length: Their common length.
        sequences: Indexes of the sequences placed here, ``[placed]``.
        slots: Flat slot of the first piece of each, ``[placed]``.
        numbers: Number of each in its row, from 1, ``[placed]``.
    """

    n_rows: int
    length: int
    sequences: NDArray[np.int64]
    slots: NDArray[np.int64]
    numbers: NDArray[np.int32]


@cache
def row_lengths(max_length: int) -> tuple[int, ...]:
    """The row lengths for a model with sequences of up to ``max_length``: four per octave, and one for the longest."""
    longest = -(-max_length // ROW_STEP) * ROW_STEP
    lengths = [ROW_STEP]
    while lengths[-1] < longest:
        octave = 1 << (lengths[-1].bit_length() - 1)
        lengths.append(min(lengths[-1] + max(ROW_STEP, octave // 4), longest))
    return tuple(lengths)


def pack(
    lengths: NDArray[np.int64], *, max_length: int, batch_pieces: int = BATCH_PIECES, overhead: int = 0
) -> list[Placement]:
    """Place sequences into rows.

    Args:
        lengths: Length of each sequence with its special pieces, ``[sequences]``; none above ``max_length``.
        max_length: The longest sequence that the model can read.
        batch_pieces: Maximum number of slots in a batch; a single row may be longer.
        overhead: Number of empty slots that may be computed to save a batch: its fixed cost, in slots.

    Returns:
        Batches of rows; each sequence is in exactly one.
    """
    if len(lengths) == 1:
        return [_alone(int(lengths[0]), max_length)]
    rows = _cut_to_length(_fill_rows(lengths, longest=max_length), lengths, row_lengths(max_length))
    by_length: dict[int, list[list[int]]] = defaultdict(list)
    for length, members in rows:
        by_length[length].append(members)
    plan = partial(_plan, batch_pieces=batch_pieces, overhead=overhead)
    return [
        _place(lengths, length, batch)
        for length, members in _merged(by_length, plan)
        for batch in _cut(members, plan(len(members), length).n_rows)
    ]


@cache
def _alone(length: int, max_length: int) -> Placement:
    """The place of a sequence without neighbours."""
    row = next(row for row in row_lengths(max_length) if row >= length)
    return _place(np.array([length]), row, [[0]])


def _fill_rows(lengths: NDArray[np.int64], *, longest: int) -> list[list[int]]:
    """Best fit, longest first: the indexes of the sequences in each row."""
    order = np.argsort(-lengths, kind="stable")
    rows: list[list[int]] = []
    by_room: dict[int, list[int]] = defaultdict(list)  # free slots -> rows with exactly this many
    rooms = 0  # bit n is set if a row with n free slots exists
    for index, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = by_room[room].pop()
            if not by_room[room]:
                rooms &= ~(1 << room)
            rows[row].append(index)
        else:
            room, row = _room_for(length, longest), len(rows)
            rows.append([index])
        if room > length:
            by_room[room - length].append(row)
            rooms |= 1 << (room - length)
    return rows


def _room_for(length: int, longest: int) -> int:
    """Number of slots of a new row while it is filled."""
    return max(length, min(longest, ROW_LENGTH if length <= ROW_LENGTH else 1 << (length - 1).bit_length()))


def _cut_to_length(
    rows: list[list[int]], lengths: NDArray[np.int64], allowed: Sequence[int]
) -> Iterator[tuple[int, list[int]]]:
    """Each row with its shortest possible length."""
    members = np.fromiter((index for row in rows for index in row), np.int64, len(lengths))
    firsts = np.cumsum([0, *map(len, rows)])[:-1]
    used = np.add.reduceat(lengths[members], firsts) if len(rows) else lengths
    shortest = np.array(allowed)[np.searchsorted(allowed, used)]
    return zip(shortest.tolist(), rows, strict=True)


class _Plan(NamedTuple):
    """The split of rows of one length into batches: rows in each, and the total cost in slots."""

    n_rows: list[int]
    cost: int


def _plan(n_rows: int, length: int, *, batch_pieces: int, overhead: int) -> _Plan:
    """Batches of the largest allowed power of two, then smaller ones, or one with empty rows if that is cheaper."""
    most = 1 << (max(1, batch_pieces // length).bit_length() - 1)
    n_full, left = divmod(n_rows, most)
    rest = [1 << bit for bit in reversed(range(left.bit_length())) if left >> bit & 1]
    filled = 1 << (left - 1).bit_length()
    if (filled - left) * length <= overhead * (len(rest) - 1):
        rest = [filled]
    sizes = [most] * n_full + rest
    return _Plan(sizes, sum(sizes) * length + overhead * len(sizes))


def _merged(
    by_length: Mapping[int, list[list[int]]], plan: Callable[[int, int], _Plan]
) -> list[tuple[int, list[list[int]]]]:
    """Rows by length, the longest first; rows are extended to the next longer length if that is cheaper."""
    groups: list[tuple[int, list[list[int]]]] = []
    for length in sorted(by_length):
        rows = by_length[length]
        if groups:
            shorter, few = groups[-1]
            apart = plan(len(few), shorter).cost + plan(len(rows), length).cost
            if plan(len(few) + len(rows), length).cost < apart:
                rows = rows + few
                groups.pop()
        groups.append((length, rows))
    return groups[::-1]


def _cut(rows: list[list[int]], sizes: Iterable[int]) -> Iterator[list[list[int]]]:
    """Rows in batches of these sizes; the last is padded with empty rows."""
    start = 0
    for size in sizes:
        batch = rows[start : start + size]
        yield batch + [[]] * (size - len(batch))
        start += size


def _place(lengths: NDArray[np.int64], length: int, rows: list[list[int]]) -> Placement:
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    sequences = np.fromiter((index for members in rows for index in members), np.int64, int(counts.sum()))
    firsts = np.cumsum(counts) - counts  # each row's first place in `sequences`
    row_of = np.repeat(np.arange(len(rows)), counts)
    sizes = lengths[sequences]
    before = np.cumsum(sizes) - sizes
    slots = row_of * length + before - np.append(before, 0)[firsts][row_of]  # starts of empty last rows lie beyond
    numbers = (np.arange(len(sequences)) - firsts[row_of] + 1).astype(np.int32)
    return Placement(len(rows), length, sequences, slots, numbers)


def build_rows(sequences: Sequences, placement: Placement, *, pad: int) -> tuple[Rows, NDArray[np.int64]]:
    """Build the rows of placed sequences.

    Returns:
        The rows, and for each pick its piece in ``sequences``, ``[picks]``.
    """
    if len(placement.sequences) == 1:
        return _build_row(sequences, int(placement.sequences[0]), placement.length, pad=pad)
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


def _build_row(sequences: Sequences, index: int, length: int, *, pad: int) -> tuple[Rows, NDArray[np.int64]]:
    """One sequence as a single row: the result of ``build_rows``, three times as fast."""
    start, end = sequences.bounds[index : index + 2].tolist()
    size = end - start

    def spread(values: NDArray[np.int32] | int, empty: int) -> NDArray[np.int32]:
        row = np.full((1, length), empty, np.int32)
        row[0, :size] = values
        return row

    picks = sequences.picked[start:end].nonzero()[0]
    rows = Rows(
        piece_ids=spread(sequences.ids[start:end], pad),
        position_ids=spread(np.arange(size, dtype=np.int32), 0),
        type_ids=spread(sequences.type_ids[start:end], 0),
        sequence_ids=spread(1, 0),
        picks=picks.astype(np.int32),
    )
    return rows, picks + start

"""Loads: the units of work for a GPU. A load has batches of packed rows, or only their used slots, concatenated.

A GPU needs a hundred times more pieces at once than a CPU, and attention kernels of variable length need no rows. So
the used slots of several batches become one load. The grouping depends only on the batches, never on timing: the same
input is always computed in the same loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from lexel.engines.base import IntArray, Rows, Scores


@dataclass(frozen=True, slots=True)
class Load:
    """Pieces to compute together; ``[rows, length]``, or ``[1, pieces]`` without unused slots.

    Attributes:
        piece_ids: Vocabulary indexes.
        position_ids: Position of the piece in its own sequence, from 0.
        type_ids: BERT's sentence A (0) or B (1).
        sequences: The rows' ``sequence_ids``, or the starts of the sequences and the end of the last,
            ``[sequences + 1]``.
        picks: Flat slots whose scores are requested, ``[picks]``.
        longest: Length of the longest sequence; ``None`` for rows.
        counts: Number of picks of each batch.
    """

    piece_ids: IntArray
    position_ids: IntArray
    type_ids: IntArray
    sequences: IntArray
    picks: IntArray
    longest: int | None
    counts: tuple[int, ...]

    @property
    def n_slots(self) -> int:
        """Number of slots that are computed."""
        return self.piece_ids.size


def load_of_rows(rows: Rows) -> Load:
    """A load of one unchanged batch."""
    counts = (len(rows.picks),)
    return Load(rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids, rows.picks, None, counts)


def loads_of_rows(batches: Iterable[Rows | None]) -> Iterator[Load | None]:
    """A load for each unchanged batch; ``None`` is passed on."""
    for rows in batches:
        yield None if rows is None else load_of_rows(rows)


def gather_loads(batches: Iterable[Rows | None], *, slots: int) -> Iterator[Load | None]:
    """Gather the used slots of batches, in order, into loads of at most ``slots``; a larger batch is a load by itself.

    ``None``, which means that the source is about to wait, ends a load and is passed on after it.
    """
    waiting: list[Rows] = []
    n_waiting = 0
    for rows in batches:
        n_used = 0 if rows is None else int(np.count_nonzero(rows.sequence_ids))
        if waiting and (rows is None or n_waiting + n_used > slots):
            yield flatten(waiting)
            waiting, n_waiting = [], 0
        if rows is None:
            yield None
        else:
            waiting.append(rows)
            n_waiting += n_used
    if waiting:
        yield flatten(waiting)


def flatten(batches: Sequence[Rows]) -> Load:
    """The used slots of some batches, concatenated."""
    parts = [_flatten(rows) for rows in batches]
    before = list(accumulate((part.n_slots for part in parts), initial=0))
    bounds = [part.sequences[:-1] + start for part, start in zip(parts, before, strict=False)]
    return Load(
        np.concatenate([part.piece_ids for part in parts], axis=1),
        np.concatenate([part.position_ids for part in parts], axis=1),
        np.concatenate([part.type_ids for part in parts], axis=1),
        np.concatenate([*bounds, before[-1:]]).astype(np.int32),
        np.concatenate([part.picks + start for part, start in zip(parts, before, strict=False)]).astype(np.int32),
        max(part.longest or 0 for part in parts),
        tuple(len(part.picks) for part in parts),
    )


def _flatten(rows: Rows) -> Load:
    flat = rows.sequence_ids.reshape(-1)
    used = np.flatnonzero(flat)
    begins = _begins(flat[used], used // rows.sequence_ids.shape[1])
    bounds = np.append(np.flatnonzero(begins), len(used)).astype(np.int32)
    place = np.cumsum(flat != 0, dtype=np.int32) - 1  # its index among the used slots
    return Load(
        rows.piece_ids.reshape(-1)[used][None],
        rows.position_ids.reshape(-1)[used][None],
        rows.type_ids.reshape(-1)[used][None],
        bounds,
        place[rows.picks],
        int(np.diff(bounds).max(initial=0)),
        (len(rows.picks),),
    )


def _begins(numbers: IntArray, row_of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a used slot is the first of its sequence: its neighbour has another number, or is in another row."""
    begins = np.ones(len(numbers), np.bool_)
    begins[1:] = (numbers[1:] != numbers[:-1]) | (row_of[1:] != row_of[:-1])
    return begins


def deal_out(scores: Scores, counts: Sequence[int]) -> Iterator[Scores]:
    """Split the scores of a load into those of its batches."""
    bounds = list(accumulate(counts, initial=0))
    for start, end in pairwise(bounds):
        yield {output: values[start:end] for output, values in scores.items()}

"""Plans the sequences of each step of an epoch: deterministic, in rows without padding.

The plan of an epoch depends only on the seed and the epoch's number. It is a list of rows, each with a few whole
sequences, and of parts, each a range of rows. Step ``s`` of an epoch has the parts
``[s * n_parts, (s + 1) * n_parts)``, one for each process and accumulated batch. So a position is two numbers, and
each process knows what the others read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lexel.engines.packing import pack
from lexel.text.alignment import bounds_of
from lexel.training.config.options import TrainingOptions

IntArray = NDArray[np.int64]
Row = tuple[int, IntArray]
"""Length of a row, and the sequences in it."""

_BUFFER_STEPS = 48
"""Sequences of about this many steps are shuffled and packed together."""

_LARGEST = 1 << 40


@dataclass(frozen=True, slots=True)
class Budget:
    """The size of a part.

    Attributes:
        pieces: Slots of a part; ``None`` to count sequences.
        sequences: Sequences of a part, if slots are not counted.
        n_parts: Parts per step: processes times accumulated batches.
        packing: Put several sequences into a row.
        by_length: Put sequences of similar length into one part.
        max_length: Longest sequence of the model.
    """

    pieces: int | None
    sequences: int
    n_parts: int
    packing: bool
    by_length: bool
    max_length: int

    @classmethod
    def of(cls, options: TrainingOptions, *, n_processes: int, max_length: int) -> Budget:
        """The budget from the options of a run."""
        return cls(
            pieces=options.batch_pieces,
            sequences=options.per_device_train_batch_size,
            n_parts=n_processes * options.gradient_accumulation_steps,
            packing=options.packing,
            by_length=options.group_by_length,
            max_length=max_length,
        )


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """The rows and steps of an epoch.

    Attributes:
        sequences: The sequences, row after row, ``[placed]``.
        row_bounds: Where each row's sequences begin and end, ``[rows + 1]``.
        row_lengths: Slots of each row, ``[rows]``.
        part_bounds: Where each part's rows begin and end, ``[steps * parts + 1]``.
        n_parts: Parts per step.
    """

    sequences: IntArray
    row_bounds: IntArray
    row_lengths: IntArray
    part_bounds: IntArray
    n_parts: int

    @property
    def n_steps(self) -> int:
        """Steps of the epoch."""
        return (len(self.part_bounds) - 1) // self.n_parts

    def part(self, step: int, part: int) -> list[Row]:
        """The rows of one part; empty if the epoch's last step has no more."""
        k = step * self.n_parts + part
        rows = range(int(self.part_bounds[k]), int(self.part_bounds[k + 1]))
        return [
            (int(self.row_lengths[row]), self.sequences[self.row_bounds[row] : self.row_bounds[row + 1]])
            for row in rows
        ]


class Sampler:
    """Plans epochs.

    Args:
        lengths: Length of each sequence, special pieces included, ``[sequences]``.
        groups: Where each file's sequences begin and end, ``[files + 1]``.
        weights: How many times an epoch reads each file.
        budget: The size of a part.
        seed: Seed of the orders.
    """

    def __init__(
        self, lengths: IntArray, groups: Sequence[int], weights: Sequence[float], *, budget: Budget, seed: int
    ) -> None:
        self._lengths = np.asarray(lengths, np.int64)
        self._groups = [int(edge) for edge in groups]
        self._weights = list(weights)
        self._budget = budget
        self._seed = seed
        self._last: tuple[int, EpochPlan] | None = None

    def plan(self, epoch: int) -> EpochPlan:
        """The plan of an epoch, counted from 0."""
        if self._last is None or self._last[0] != epoch:
            self._last = (epoch, self._plan(epoch))
        return self._last[1]

    def _plan(self, epoch: int) -> EpochPlan:
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(self._drawn(random))
        steps = list(self._steps(order, random))
        rows = [row for parts in steps for part in parts for row in part]
        sizes = np.array([len(part) for parts in steps for part in parts], np.int64)
        return EpochPlan(
            sequences=np.concatenate([np.zeros(0, np.int64), *(members for _, members in rows)]),
            row_bounds=bounds_of([len(members) for _, members in rows], len(rows)),
            row_lengths=np.array([length for length, _ in rows], np.int64),
            part_bounds=bounds_of(sizes, len(sizes)),
            n_parts=self._budget.n_parts,
        )

    def _drawn(self, random: np.random.Generator) -> IntArray:
        """The sequences of an epoch: each file as many times as its weight says, and for a fraction, a random part."""
        drawn = []
        for (start, end), weight in zip(pairwise(self._groups), self._weights, strict=True):
            whole, share = divmod(weight, 1)
            drawn += [np.arange(start, end)] * int(whole)
            if share:
                n_more = round(share * (end - start))
                drawn.append(start + np.sort(random.permutation(end - start)[:n_more]))
        return np.concatenate(drawn) if drawn else np.zeros(0, np.int64)

    def _steps(self, order: IntArray, random: np.random.Generator) -> Iterator[list[list[Row]]]:
        budget = self._budget
        if budget.pieces is None:
            yield from self._steps_of_sequences(order)
        elif budget.packing:
            yield from self._steps_of_rows(order, random)
        else:
            yield from self._padded_steps(order, random)

    def _steps_of_sequences(self, order: IntArray) -> Iterator[list[list[Row]]]:
        """Steps of a fixed number of sequences, dealt to the parts in turn."""
        budget = self._budget
        size = budget.sequences * budget.n_parts
        if budget.by_length:  # as transformers: sort inside large random groups
            mega = size * 50
            order = np.concatenate(
                [np.zeros(0, np.int64)]
                + [group[np.argsort(-self._lengths[group], kind="stable")] for group in _cut(order, mega)]
            )
        for step in _cut(order, size):
            parts = [step[k :: budget.n_parts] for k in range(budget.n_parts)]
            yield [self._rows(part) if len(part) else [] for part in parts]

    def _rows(self, sequences: IntArray) -> list[Row]:
        if self._budget.packing:
            return packed_rows(self._lengths, sequences, max_length=self._budget.max_length)
        length = _rounded(int(self._lengths[sequences].max()))
        return [(length, sequences[i : i + 1]) for i in range(len(sequences))]

    def _steps_of_rows(self, order: IntArray, random: np.random.Generator) -> Iterator[list[list[Row]]]:
        """Steps of full rows of one length; rows that do not fill a step wait for the next buffer."""
        budget = self._budget
        assert budget.pieces is not None
        waiting: dict[int, list[Row]] = defaultdict(list)
        for buffer in self._buffers(order):
            for row in packed_rows(self._lengths, buffer, max_length=budget.max_length):
                waiting[row[0]].append(row)
            steps = []
            for length in sorted(waiting):
                size = max(1, budget.pieces // length) * budget.n_parts
                rows = waiting[length]
                rows = [rows[i] for i in random.permutation(len(rows))]
                n_full = len(rows) // size * size
                steps += [_dealt(rows[at : at + size], budget.n_parts) for at in range(0, n_full, size)]
                waiting[length] = rows[n_full:]
            yield from (steps[i] for i in random.permutation(len(steps)))
        left = [row for length in sorted(waiting, reverse=True) for row in waiting[length]]
        yield from _last_steps(left, budget)

    def _padded_steps(self, order: IntArray, random: np.random.Generator) -> Iterator[list[list[Row]]]:
        """Steps of padded rows of similar length."""
        budget = self._budget
        assert budget.pieces is not None
        for buffer in self._buffers(order):
            ordered = buffer[np.argsort(-self._lengths[buffer], kind="stable")]
            steps, at = [], 0
            while at < len(ordered):
                length = _rounded(int(self._lengths[ordered[at]]))
                size = max(1, budget.pieces // length) * budget.n_parts
                rows = [(length, ordered[i : i + 1]) for i in range(at, min(at + size, len(ordered)))]
                steps.append(_dealt(rows, budget.n_parts))
                at += size
            yield from (steps[i] for i in random.permutation(len(steps)))

    def _buffers(self, order: IntArray) -> Iterator[IntArray]:
        budget = self._budget
        assert budget.pieces is not None
        size = budget.pieces * budget.n_parts * _BUFFER_STEPS
        edges = np.cumsum(self._lengths[order]) // size
        cuts = np.flatnonzero(np.diff(edges)) + 1
        yield from (part for part in np.split(order, cuts) if len(part))


def packed_rows(lengths: IntArray, sequences: IntArray, *, max_length: int) -> list[Row]:
    """Put sequences into rows by best fit, as prediction does."""
    rows: list[Row] = []
    for placement in pack(lengths[sequences], max_length=max_length, batch_pieces=_LARGEST):
        row_of = placement.slots // placement.length
        edges = np.searchsorted(row_of, np.arange(placement.n_rows + 1))
        members = sequences[placement.sequences]
        rows += [(placement.length, members[a:b]) for a, b in pairwise(edges)]
    return rows


def _last_steps(rows: list[Row], budget: Budget) -> Iterator[list[list[Row]]]:
    """The remaining rows of an epoch, long rows first; shorter rows are padded to their length."""
    assert budget.pieces is not None
    at = 0
    while at < len(rows):
        size = max(1, budget.pieces // rows[at][0]) * budget.n_parts
        yield _dealt(rows[at : at + size], budget.n_parts)
        at += size


def _dealt(rows: list[Row], n_parts: int) -> list[list[Row]]:
    return [rows[k::n_parts] for k in range(n_parts)]


def _cut(order: IntArray, size: int) -> Iterator[IntArray]:
    return (order[at : at + size] for at in range(0, len(order), size))


def _rounded(length: int) -> int:
    """A row's length, rounded up to a multiple of eight, which is faster."""
    return -(-length // 8) * 8

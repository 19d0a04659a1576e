"""Work for an engine: sequences whose scores are wanted, and the batches of rows that they are packed into.

A batch may hold the whole of one work, or parts of several: of texts that came from different callers, for example. It
hands the scores to each work it holds sequences of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lexel.engines.base import Rows, Scores
from lexel.engines.packing import Sequences, build_rows, pack


class Collector(Protocol):
    """Takes the scores of some sequences batch by batch."""

    def receive(self, scores: Scores, slots: NDArray[np.int64]) -> None:
        """Take a batch's scores ``[picks, width]``, by output, and the slots of the sequences that they are of."""
        ...

    def result(self) -> Scores:
        """What all of them have become."""
        ...


class InOrder:
    """Scores in the order in which their picks stand in the sequences, ``[picks, width]``."""

    def __init__(self, picked: NDArray[np.bool_], widths: Mapping[str, int]) -> None:
        self._picked = picked
        self._widths = widths
        self._slots: list[NDArray[np.int64]] = []
        self._received: list[Scores] = []

    def receive(self, scores: Scores, slots: NDArray[np.int64]) -> None:
        """See ``Collector.receive``."""
        self._slots.append(slots)
        self._received.append(scores)

    def result(self) -> Scores:
        """See ``Collector.result``."""
        if not self._received:
            return {output: np.empty((0, width), np.float32) for output, width in self._widths.items()}
        slots = np.concatenate(self._slots)
        if len(self._received) == 1 and (slots[1:] > slots[:-1]).all():
            return self._received[0]
        places = (np.cumsum(self._picked) - 1)[slots]
        return {output: self._placed(output, places) for output in self._widths}

    def _placed(self, output: str, places: NDArray[np.int64]) -> NDArray[Any]:
        scores = np.concatenate([part[output] for part in self._received])
        ordered = np.empty_like(scores)
        ordered[places] = scores
        return ordered


class HandingOver:
    """Hands the scores of all picks to a function as soon as they are there, and keeps none.

    Args:
        collector: What collects them.
        n_picks: How many there are.
        take: What they are handed to.
    """

    def __init__(self, collector: Collector, n_picks: int, take: Callable[[Scores], None]) -> None:
        self._collector: Collector | None = collector
        self._n_left = n_picks
        self._take = take

    def receive(self, scores: Scores, slots: NDArray[np.int64]) -> None:
        """See ``Collector.receive``."""
        assert self._collector is not None
        self._collector.receive(scores, slots)
        self._n_left -= len(slots)
        if not self._n_left:
            found, self._collector = self._collector.result(), None
            self._take(found)

    def result(self) -> Scores:
        """Nothing: the scores were handed over."""
        return {}


class Work:
    """Sequences to be computed, and what has been received of their scores. Not safe to use from several threads.

    Args:
        sequences: What the encoder reads.
        collector: What receives the scores.

    Attributes:
        sequences: What the encoder reads.
        n_sequences: How many sequences there are.
        n_left: How many of them have not been computed yet.
    """

    def __init__(self, sequences: Sequences, collector: Collector) -> None:
        self.sequences = sequences
        self.n_sequences: int = len(sequences.bounds) - 1
        self.n_left: int = self.n_sequences
        self._collector = collector

    def receive(self, scores: Scores, slots: NDArray[np.int64], *, n_sequences: int) -> None:
        """Take the scores of some of the sequences."""
        self._collector.receive(scores, slots)
        self.n_left -= n_sequences

    @property
    def is_done(self) -> bool:
        """Whether all sequences have been computed."""
        return self.n_left == 0

    def scores(self) -> Scores:
        """What the scores of all sequences have become."""
        return self._collector.result()


class Part(NamedTuple):
    """Some sequences of a work.

    Attributes:
        work: The work.
        chosen: Which of its sequences, by index, each once; ``None`` for all of them.
    """

    work: Work
    chosen: NDArray[np.int64] | None = None


class _Share(NamedTuple):
    """What a batch computes of one work: which of its picks (``None`` is all), and which slots of the work they are."""

    work: Work
    picks: NDArray[np.int64] | None
    slots: NDArray[np.int64]
    n_sequences: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to compute, and whom their scores are for.

    Attributes:
        rows: What an engine computes.
    """

    rows: Rows
    _shares: tuple[_Share, ...]

    @property
    def works(self) -> list[Work]:
        """The works that the batch holds sequences of."""
        return [share.work for share in self._shares]

    def deliver(self, scores: Scores) -> None:
        """Hand the scores of the rows to the works."""
        for share in self._shares:
            own = scores if share.picks is None else {name: values[share.picks] for name, values in scores.items()}
            share.work.receive(own, share.slots, n_sequences=share.n_sequences)


def make_batches(
    parts: Sequence[Work | Part], *, max_length: int, batch_pieces: int, pad: int, overhead: int = 0
) -> Iterator[Batch]:
    """Pack the sequences of all parts together; rows are built when they are asked for.

    Args:
        parts: What to pack: whole works, or one part for each work.
        max_length: The longest sequence that the model takes.
        batch_pieces: Most slots in a batch; a single row may be longer.
        pad: The padding piece.
        overhead: How many empty slots may be computed to save a batch; see ``pack``.
    """
    some = [Part(part) if isinstance(part, Work) else part for part in parts]
    joined = _Whole(some[0].work) if len(some) == 1 and some[0].chosen is None else _Joined(some)
    lengths = np.diff(joined.sequences.bounds)
    for placement in pack(lengths, max_length=max_length, batch_pieces=batch_pieces, overhead=overhead):
        rows, slots = build_rows(joined.sequences, placement, pad=pad)
        yield Batch(rows, joined.shares(slots, placement.sequences))


class _Whole:
    """One work as it is."""

    def __init__(self, work: Work) -> None:
        self.sequences = work.sequences
        self._work = work

    def shares(self, slots: NDArray[np.int64], placed: NDArray[np.int64]) -> tuple[_Share, ...]:
        return (_Share(self._work, None, slots, len(placed)),)


class _Joined:
    """The sequences of several parts, one behind the other."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._works = [part.work for part in parts]
        chosen = [np.arange(part.work.n_sequences) if part.chosen is None else part.chosen for part in parts]
        own = [_slots_of(work.sequences.bounds, indexes) for work, indexes in zip(self._works, chosen, strict=True)]
        self._sequence_ends = np.cumsum([len(indexes) for indexes in chosen])
        self._slot_ends = np.cumsum([len(slots) for slots in own])
        self._own = np.concatenate(own)
        lengths = [np.diff(work.sequences.bounds)[i] for work, i in zip(self._works, chosen, strict=True)]
        some = [(work.sequences, slots) for work, slots in zip(self._works, own, strict=True)]
        self.sequences = Sequences(
            ids=np.concatenate([sequences.ids[slots] for sequences, slots in some]),
            type_ids=np.concatenate([sequences.type_ids[slots] for sequences, slots in some]),
            picked=np.concatenate([sequences.picked[slots] for sequences, slots in some]),
            bounds=np.concatenate(([0], np.cumsum(np.concatenate(lengths)))),
        )

    def shares(self, slots: NDArray[np.int64], placed: NDArray[np.int64]) -> tuple[_Share, ...]:
        """What a batch of these slots and sequences computes of each work."""
        owner = np.searchsorted(self._slot_ends, slots, side="right")
        n_placed = np.bincount(np.searchsorted(self._sequence_ends, placed, side="right"), minlength=len(self._works))
        return tuple(
            _Share(self._works[k], picks, self._own[slots[picks]], int(n_placed[k]))
            for k in np.flatnonzero(n_placed)
            for picks in [np.flatnonzero(owner == k)]
        )


def _slots_of(bounds: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slots of some sequences, one sequence behind the other."""
    starts, sizes = bounds[chosen], bounds[chosen + 1] - bounds[chosen]
    return np.asarray(np.arange(int(sizes.sum())) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes))

"""Work for an engine: sequences to score, and the batches of rows that they are packed into.

A batch may hold a whole work, or parts of several, for example of texts from different callers. It passes the scores
to each work whose sequences it holds.
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
        """Take a batch's scores ``[picks, width]``, by output, and their slots in the sequences."""
        ...

    def result(self) -> Scores:
        """The result after all scores were received."""
        ...


class InOrder:
    """Keeps scores in the order of their picks in the sequences, ``[picks, width]``."""

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
    """Passes the scores of all picks to a function as soon as they are complete, and keeps none.

    Args:
        collector: The collector of the scores.
        n_picks: Number of picks.
        take: The function.
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
        """Nothing: the scores were passed on."""
        return {}


class Work:
    """Sequences to compute, and the scores received so far. Not safe to use from several threads.

    Args:
        sequences: The sequences for the encoder.
        collector: The collector of the scores.

    Attributes:
        sequences: The sequences for the encoder.
        n_sequences: Number of sequences.
        n_left: Number of sequences that have not been computed yet.
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
        """The result of the collector, once all sequences have been computed."""
        return self._collector.result()


class Part(NamedTuple):
    """Some sequences of a work.

    Attributes:
        work: The work.
        chosen: The indexes of its sequences, each once; ``None`` for all of them.
    """

    work: Work
    chosen: NDArray[np.int64] | None = None


class _Share(NamedTuple):
    """A batch's share of one work: indexes of the batch's picks (``None`` is all), and their slots in the work."""

    work: Work
    picks: NDArray[np.int64] | None
    slots: NDArray[np.int64]
    n_sequences: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to compute, and the works that receive their scores.

    Attributes:
        rows: The rows for the engine.
    """

    rows: Rows
    _shares: tuple[_Share, ...]

    @property
    def works(self) -> list[Work]:
        """The works whose sequences are in the batch."""
        return [share.work for share in self._shares]

    def deliver(self, scores: Scores) -> None:
        """Pass the scores of the rows to the works."""
        for share in self._shares:
            own = scores if share.picks is None else {name: values[share.picks] for name, values in scores.items()}
            share.work.receive(own, share.slots, n_sequences=share.n_sequences)


def make_batches(
    parts: Sequence[Work | Part], *, max_length: int, batch_pieces: int, pad: int, overhead: int = 0
) -> Iterator[Batch]:
    """Pack the sequences of all parts together; rows are built lazily.

    Args:
        parts: The parts to pack: whole works, or one part for each work.
        max_length: The longest sequence that the model can read.
        batch_pieces: Maximum number of slots in a batch; a single row may be longer.
        pad: The padding piece.
        overhead: Number of empty slots that may be computed to save a batch; see ``pack``.
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
    """The sequences of several parts, concatenated."""

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
        """The share of a batch with these slots and sequences in each work."""
        owner = np.searchsorted(self._slot_ends, slots, side="right")
        n_placed = np.bincount(np.searchsorted(self._sequence_ends, placed, side="right"), minlength=len(self._works))
        return tuple(
            _Share(self._works[k], picks, self._own[slots[picks]], int(n_placed[k]))
            for k in np.flatnonzero(n_placed)
            for picks in [np.flatnonzero(owner == k)]
        )


def _slots_of(bounds: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slots of some sequences, sequence by sequence."""
    starts, sizes = bounds[chosen], bounds[chosen + 1] - bounds[chosen]
    return np.asarray(np.arange(int(sizes.sum())) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes))

"""A batch as tensors: sequences packed into rows, targets of every head, masked pieces for masked-language models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from lexel.tasks.gold import IGNORE
from lexel.text.alignment import ranges_to_indexes
from lexel.text.pieces import SpecialPieces
from lexel.training.data.batches import Row
from lexel.training.data.examples import GatheredSequences, GoldSpans, WindowExamples
from lexel.training.data.heads import TrainedHead
from lexel.training.data.text_examples import TextExamples

Examples = WindowExamples | TextExamples

HIDDEN = "teacher/hidden"
"""The name of hidden states among the scores of heads, whose names have no slash."""


def teacher_key(head: str) -> str:
    """The name of a teacher's part of a head among losses and, for vectors, among scores."""
    return f"{head}/teacher"


def crf_key(head: str) -> str:
    """The name of a CRF's loss among the scores of heads, whose names have no slash."""
    return f"{head}/crf"


_MASKED, _RANDOM = 0.8, 0.9
"""Of the pieces to predict, BERT masks 80 %, replaces 10 % at random, and keeps 10 %."""

_WHOLE_WORDS = 0.5
"""Share of the sequences in which whole words are masked; in the others, single pieces are."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one length for the encoder, ``[rows, length]`` each, with the targets of the heads.

    Attributes:
        ids: The pieces.
        positions: Position of each in its sequence, from 0.
        types: BERT's sentence A or B.
        sequences: The sequence of its row that a slot belongs to, from 1; 0 means unused.
        targets: The target of each head.
        hidden: A teacher's hidden states at the slots in use, ``[layers, pieces, hidden]``, if there is one.
        members: The sequences in it, in order.
        slots: The flat slot of each of their pieces, ``[pieces]``.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor
    sequences: torch.Tensor
    targets: Mapping[str, Target]
    members: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    slots: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    hidden: torch.Tensor | None = None

    @property
    def n_pieces(self) -> int:
        """Pieces in it, special ones included."""
        return int((self.sequences > 0).sum())

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        if device.type == "cpu":
            return self
        return Batch(
            self.ids.to(device),
            self.positions.to(device),
            self.types.to(device),
            self.sequences.to(device),
            {name: target.to(device) for name, target in self.targets.items()},
            self.members,
            self.slots,
            None if self.hidden is None else self.hidden.to(device),
        )


@dataclass(frozen=True, slots=True)
class TeacherScores:
    """A teacher's scores for a head.

    Attributes:
        scores: The teacher's scores, ``[asked, labels]``; for vectors, those of the sequences, ``[sequences, size]``.
        slots: The head's scores that they are compared with, ``[asked]``; ``None`` for all.
    """

    scores: torch.Tensor
    slots: torch.Tensor | None = None

    def to(self, device: torch.device) -> TeacherScores:
        """The same on a device."""
        return TeacherScores(self.scores.to(device), None if self.slots is None else self.slots.to(device))


@dataclass(frozen=True, slots=True)
class SpanTargets:
    """The gold spans of sequences.

    Attributes:
        gold: The spans of each sequence.
        bounds: Where the pieces of each sequence begin and end in the head's outputs, ``[sequences + 1]``.
    """

    gold: Sequence[GoldSpans]
    bounds: Sequence[int]


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a head.

    Attributes:
        slots: Flat slots that are scored, ``[picks]``; ``None`` for all.
        labels: The gold label of each, ``IGNORE`` where it is unknown, ``[picks]`` or ``[rows * length]``; numbers as
            ``[picks, labels]``, NaN where they are unknown; for answers, the flat slots of their first and last pieces,
            ``[sequences, 2]``; for vectors, the class of each sequence, ``[sequences]``.
        segments: For answers, the number of the sequence that a slot belongs to, or the number of sequences for a slot
            in none, ``[rows * length]``.
        soft: The teacher's scores, if there is a teacher.
        pools: For vectors, the number of the sequence that each of ``slots`` is pooled into, ``[picks]``.
        edges: For a CRF, the slots with the first (1) and the last (2) piece of a text, ``[rows * length]``.
        spans: For a head for spans, the spans of each sequence; ``slots`` are then the pieces of all texts.
    """

    slots: torch.Tensor | None
    labels: torch.Tensor
    segments: torch.Tensor | None = None
    soft: TeacherScores | None = None
    pools: torch.Tensor | None = None
    edges: torch.Tensor | None = None
    spans: SpanTargets | None = None

    @property
    def n(self) -> int:
        """Number of labels that count, or of sequences with answers or known spans."""
        if self.spans is not None:
            return sum(gold.is_known for gold in self.spans.gold)
        if self.segments is not None:
            return len(self.labels)
        known = ~self.labels.isnan() if self.labels.is_floating_point() else self.labels != IGNORE
        return int(known.sum())

    def to(self, device: torch.device) -> Target:
        """The same on a device."""
        parts = (self.slots, self.segments, self.soft, self.pools, self.edges)
        slots, segments, soft, pools, edges = (None if part is None else part.to(device) for part in parts)
        return Target(slots, self.labels.to(device), segments, soft, pools, edges, self.spans)


class RowBuilder:
    """Builds batches.

    Args:
        examples: The source of sequences.
        heads: The heads.
        special: The model's special pieces.
        vocab_size: Number of pieces, for drawing random ones.
        unknown_probability: Share of the pieces to replace by the unknown piece.
    """

    def __init__(
        self,
        examples: Examples,
        heads: Sequence[TrainedHead],
        *,
        special: SpecialPieces,
        vocab_size: int,
        unknown_probability: float = 0.0,
    ) -> None:
        self._examples = examples
        self._heads = heads
        self._special = special
        self._vocab_size = vocab_size
        self._unknown = unknown_probability
        never = {*special.prefix, *special.suffix, special.pad, special.mask, special.unk} - {None}
        self._ordinary = np.ones(vocab_size, np.bool_)
        self._ordinary[[piece for piece in never if piece is not None]] = False

    def build(self, rows: Sequence[Row], random: np.random.Generator | None) -> Batch:
        """Build a batch.

        Args:
            rows: Rows of the plan; shorter ones are padded to the longest.
            random: Random numbers for masks and unknown pieces; ``None`` to mask nothing (for evaluation).
        """
        members = np.concatenate([members for _, members in rows])
        gathered = self._examples.gather(members)
        slots, numbers, positions, shape = _layout(rows, np.diff(gathered.bounds))

        def spread(values: NDArray[np.integer], empty: int) -> torch.Tensor:
            flat = np.full(shape[0] * shape[1], empty, np.int64)
            flat[slots] = values
            return torch.from_numpy(flat.reshape(shape))

        ids, targets = gathered.ids, {}
        for head in self._heads:
            if head.task == "fill":
                ids, chosen = self._hide(gathered, head, random)
                picks = np.flatnonzero(chosen)
                targets[head.name] = Target(
                    torch.from_numpy(slots[picks]), torch.from_numpy(gathered.ids[picks].astype(np.int64))
                )
        if random is not None and self._unknown:
            ids = self._made_unknown(ids, gathered, random)
        for head in self._heads:
            if head.is_tagging:
                edges = spread(gathered.text_edges, 0).view(-1) if head.options.crf else None
                labels = spread(gathered.labels[head.name], IGNORE).view(-1)
                targets[head.name] = Target(None, labels, edges=edges)
            elif head.task == "spans":
                targets[head.name] = _of_spans(gathered.spans[head.name], gathered, slots, special=self._special)
            elif head.task in ("classify", "answer", "embed"):
                targets[head.name] = _of_sequences(head, gathered, slots, n_slots=shape[0] * shape[1])
        return Batch(
            spread(ids, self._special.pad),
            spread(positions, 0),
            spread(gathered.type_ids, 0),
            spread(numbers, 0),
            targets,
            members,
            slots,
        )

    def _hide(
        self, gathered: GatheredSequences, head: TrainedHead, random: np.random.Generator | None
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """The pieces after masking, and the pieces to predict."""
        mask = self._special.mask
        assert mask is not None
        ids, n = gathered.ids, len(gathered.ids)
        random = np.random.default_rng(int(gathered.bounds[-1])) if random is None else random
        draw = random.random(n)
        if head.options.whole_word:
            n_sequences = len(gathered.bounds) - 1
            whole = np.repeat(random.random(n_sequences) < _WHOLE_WORDS, np.diff(gathered.bounds))
            word_start = np.maximum.accumulate(np.where(gathered.begins, np.arange(n), 0))
            draw = np.where(whole, draw[word_start], draw)
        chosen = (draw < head.options.mlm_probability) & self._ordinary[ids]
        fate = random.random(n)
        hidden = np.where(chosen & (fate < _MASKED), np.int32(mask), ids)
        others = np.flatnonzero(chosen & (fate >= _RANDOM))
        hidden[others] = random.integers(0, self._vocab_size, len(others))
        return hidden, chosen

    def _made_unknown(
        self, ids: NDArray[np.int32], gathered: GatheredSequences, random: np.random.Generator
    ) -> NDArray[np.int32]:
        unk = self._special.unk
        if unk is None:
            return ids
        lost = (random.random(len(ids)) < self._unknown) & self._ordinary[ids] & (ids == gathered.ids)
        return np.where(lost, np.int32(unk), ids)


def _of_sequences(head: TrainedHead, gathered: GatheredSequences, slots: NDArray[np.int64], *, n_slots: int) -> Target:
    """The target of a head for whole sequences."""
    firsts, values = gathered.bounds[:-1], torch.from_numpy(gathered.targets[head.name])
    if head.task == "classify":
        return Target(torch.from_numpy(slots[firsts]), values)
    sizes = np.diff(gathered.bounds)
    if head.task == "embed":  # special pieces are pooled too, as in prediction
        return Target(torch.from_numpy(slots), values, pools=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)))
    segments = np.full(n_slots, len(sizes), np.int64)
    segments[slots] = np.repeat(np.arange(len(sizes)), sizes)
    places = torch.from_numpy(slots[firsts[:, None] + gathered.targets[head.name]])
    return Target(None, places, torch.from_numpy(segments))


def _of_spans(
    gold: Sequence[GoldSpans], gathered: GatheredSequences, slots: NDArray[np.int64], *, special: SpecialPieces
) -> Target:
    """The target of a head that scores spans: the pieces between the special ones, and the spans of each sequence."""
    starts = gathered.bounds[:-1] + len(special.prefix)
    sizes = gathered.bounds[1:] - len(special.suffix) - starts
    picks = torch.from_numpy(slots[ranges_to_indexes(starts, sizes)])
    targets = SpanTargets(gold, [0, *np.cumsum(sizes).tolist()])
    return Target(picks, torch.zeros(0, dtype=torch.int64), spans=targets)


def _layout(
    rows: Sequence[Row], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], tuple[int, int]]:
    """Slot, number in its row and position of each piece, ``[pieces]``, and the shape of the rows."""
    length = max(length for length, _ in rows)
    counts = np.array([len(members) for _, members in rows], np.int64)
    row_of = np.repeat(np.arange(len(rows)), counts)
    firsts = np.cumsum(counts) - counts
    before = np.cumsum(sizes) - sizes
    starts = row_of * length + before - before[firsts][row_of]
    numbers = np.arange(len(sizes)) - firsts[row_of] + 1
    slots = ranges_to_indexes(starts, sizes)
    positions = np.arange(int(sizes.sum())) - np.repeat(before, sizes)
    return slots, np.repeat(numbers, sizes), positions, (len(rows), length)

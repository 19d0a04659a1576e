"""The one flow of every task: texts -> pieces -> windows -> packed rows -> engine -> scores per piece.

Texts travel in blocks. A flow takes a stream of blocks and adds to each what its checkpoint reads there; flows chain,
so several checkpoints read the same text one after the other. While the engine computes one block, the next is being
tokenised: the look-ahead is one block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.encoder.family import Family
from lexel.engines.base import Engine, Rows, Scores
from lexel.engines.heads import output_width
from lexel.engines.packing import BATCH_PIECES, Placement, Sequences, build_rows, pack
from lexel.errors import CheckpointError, EngineError
from lexel.tasks.framing import Layout, PartnerPieces, Picks, decided, lay_out, room_beside
from lexel.text.script import in_script
from lexel.text.tokenizer import Pieces, SpecialPieces, Tokenizer, load_tokenizer
from lexel.text.windows import Windows, plan_batch

BLOCK_CHARS = 16_384
"""Characters gathered into a block; a longer text is a block of its own."""

OVERLAP = 128
"""Pieces that neighbouring windows of a long text share; at most a quarter of the window in small models."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one checkpoint read in a block.

    Attributes:
        pieces: The pieces of its texts.
        scores: By output, scores at the slots that were picked, ``[picks, width]``. Taggers pick every piece where it
            is decided, so there they are ``[pieces, labels]``. Or what a task's own collector made of them.
        windows: The windows in which the texts were read.
        window: Which of them a pick stands in, ``[picks]``; windows follow each other in order.
        piece: Which piece was picked, or -1 for special pieces and partners, ``[picks]``.
    """

    pieces: Pieces
    scores: Scores
    windows: Windows
    window: NDArray[np.int32]
    piece: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Partners:
    """The other texts of pairs.

    Attributes:
        texts: One for each text; it stands whole beside every window of its text.
        first: Whether it stands before its text (a question) or behind (a hypothesis), ``[texts]``.
    """

    texts: Sequence[str]
    first: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """Some texts on their way through the flows.

    Attributes:
        texts: The callers' strings; long ones are read in windows.
        given_words: The words of each text, ``[words, 2]``, where the caller gave them.
        readings: What has been read so far, by the name of the flow.
        partners: What stands beside the texts, where they are halves of pairs.
    """

    texts: Sequence[str]
    given_words: Sequence[NDArray[np.int32]] | None = None
    readings: dict[str, Reading] = field(default_factory=dict)
    partners: Partners | None = None


def gather_blocks(texts: Iterable[str], *, block_chars: int = BLOCK_CHARS) -> Iterator[Block]:
    """Gather texts, in order, into blocks of about ``block_chars`` characters."""
    block: list[str] = []
    n_chars = 0
    for text in texts:
        block.append(text)
        n_chars += len(text) + 1  # an empty text takes room too
        if n_chars >= block_chars:
            yield Block(block)
            block, n_chars = [], 0
    if block:
        yield Block(block)


def gather_given(
    texts: Iterable[tuple[str, NDArray[np.int32]]], check: Callable[[Iterable[str]], Iterator[str]] = iter
) -> Iterator[Block]:
    """Gather texts with the places of their words, ``[words, 2]`` for each, into blocks.

    Args:
        texts: Each text and its words.
        check: What the texts go through, one out for each in.
    """
    waiting: list[NDArray[np.int32]] = []

    def alone() -> Iterator[str]:
        for text, words in texts:
            waiting.append(words)
            yield text

    for block in gather_blocks(check(alone())):
        given, waiting[:] = waiting[: len(block.texts)], waiting[len(block.texts) :]
        yield Block(block.texts, given)


class Pair(NamedTuple):
    """A text to be read in windows, and what stands beside each of them, if anything does."""

    text: str
    partner: str | None = None
    partner_first: bool = False


def gather_pairs(pairs: Iterable[Pair], *, block_chars: int = BLOCK_CHARS) -> Iterator[Block]:
    """Gather pairs, in order, into blocks; a block holds pairs only, or single texts only."""
    for alone, group in groupby(pairs, key=lambda pair: pair.partner is None):
        block: list[Pair] = []
        n_chars = 0
        for pair in group:
            block.append(pair)
            n_chars += len(pair.text) + len(pair.partner or "") + 1
            if n_chars >= block_chars:
                yield _block_of(block, alone=alone)
                block, n_chars = [], 0
        if block:
            yield _block_of(block, alone=alone)


def _block_of(pairs: Sequence[Pair], *, alone: bool) -> Block:
    texts = [pair.text for pair in pairs]
    if alone:
        return Block(texts)
    first = np.array([pair.partner_first for pair in pairs], np.bool_)
    return Block(texts, partners=Partners([pair.partner or "" for pair in pairs], first))


def join_words(words: Sequence[str], delimiter: str) -> tuple[str, NDArray[np.int32]]:
    """A text put together from its words, and where they stand in it, ``[words, 2]``."""
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    starts = np.cumsum(lengths + len(delimiter)) - lengths - len(delimiter)
    return delimiter.join(words), np.stack((starts, starts + lengths), axis=1).astype(np.int32)


class Flow:
    """One checkpoint ready to read: its tokenizer, its engine, and the outputs asked of it.

    Args:
        name: Under which name its readings stand in a block.
        checkpoint: The model.
        engine: What computes it.
        outputs: Heads (or ``hidden.N``) to compute.
        batch_pieces: Most slots in a batch.
        script: ``simplified`` or ``traditional`` to have Chinese converted before the model, or ``as-is``.

    Attributes:
        window: Most pieces that are encoded together, special pieces apart.
        overlap: Pieces that neighbouring windows share, unless a reading asks for others.
    """

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        engine: Engine,
        *,
        outputs: Sequence[str],
        batch_pieces: int = BATCH_PIECES,
        script: str = "as-is",
    ) -> None:
        self.name = name
        self.checkpoint = checkpoint
        self.engine = engine
        self.outputs = tuple(outputs)
        self.script = script
        config = checkpoint.config
        own = load_tokenizer(checkpoint.source.folder, pieces=checkpoint.pieces, model_type=config.model_type)
        self.tokenizer: Tokenizer = in_script(own, script)
        if self.tokenizer.n_pieces > config.vocab_size:
            raise CheckpointError(
                f"{checkpoint.source.folder}: the tokenizer has {self.tokenizer.n_pieces} pieces, the embedding "
                f"{config.vocab_size}; they are not of one model: take the tokenizer files of this checkpoint"
            )
        if batch_pieces < 1:
            raise EngineError(f"batch_pieces is {batch_pieces}; expected 1 or more")
        self._batch_pieces = batch_pieces
        special = self._special = types_known(self.tokenizer.special, family=config.family)
        self._longest = min(config.max_positions, self.tokenizer.max_length or config.max_positions)
        self.window = self._longest - len(special.prefix) - len(special.suffix)
        if self.window < 1:
            raise CheckpointError(
                f"{checkpoint.source.folder}: sequences of {self._longest} leave no room beside the special pieces; "
                "correct max_position_embeddings in config.json or model_max_length in tokenizer_config.json"
            )
        self.overlap = min(OVERLAP, self.window // 4)

    def read(
        self,
        blocks: Iterable[Block],
        *,
        window: int | None = None,
        overlap: int | None = None,
        picks: Picks = decided,
        read_empty: bool = False,
        collect: Collect | None = None,
    ) -> Iterator[Block]:
        """Add this flow's reading to each block, in order.

        Args:
            blocks: What to read.
            window: Smaller windows than ``self.window``; the partner of a pair counts.
            overlap: Pieces that neighbouring windows share; by default ``self.overlap``, or less in small windows.
            picks: Which slots to compute the outputs at.
            read_empty: Whether a text without pieces is read, in a window of special pieces (and its partner).
            collect: What becomes of the scores while they come in, for tasks that keep less than a row a pick; by
                default they are put in the order of the picks.

        Raises:
            DataError: If a partner leaves too little room for its text.
        """
        started: deque[tuple[Block, Pieces, Layout, Sequences]] = deque()

        def sequences() -> Iterator[tuple[Sequences, Collector]]:
            for block in blocks:
                pieces = self._tokenise(block)
                layout = self._lay_out(block, pieces, window=window, overlap=overlap, read_empty=read_empty)
                framed = _picked(layout, picks)
                started.append((block, pieces, layout, framed))
                yield framed, self._in_order(framed) if collect is None else collect(layout)

        for scores in self._compute(sequences()):
            block, pieces, layout, framed = started.popleft()
            window_of, piece_of = layout.window[framed.picked], layout.piece[framed.picked]
            block.readings[self.name] = Reading(pieces, scores, layout.windows, window_of, piece_of)
            yield block

    def compute(self, sequences: Iterable[Sequences]) -> Iterator[Scores]:
        """The outputs at the picked pieces of each set of sequences, in order, ``[picks, width]``.

        The look-ahead is one set. Sequences hold the special pieces, and none is longer than the model takes.
        """
        return self._compute((some, self._in_order(some)) for some in sequences)

    def _compute(self, sequences: Iterable[tuple[Sequences, Collector]]) -> Iterator[Scores]:
        jobs: deque[_Job] = deque()

        def batches() -> Iterator[Rows]:
            for some, collector in sequences:
                placements = pack(np.diff(some.bounds), max_length=self._longest, batch_pieces=self._batch_pieces)
                jobs.append(_Job(some, placements, collector))
                yield from jobs[-1].batches(pad=self.tokenizer.special.pad)

        def finished() -> Iterator[Scores]:
            while jobs and jobs[0].is_done:
                yield jobs.popleft().result()

        for scores in self.engine.run(batches(), self.outputs):
            yield from finished()  # sets without a sequence, which no batch announces
            jobs[0].receive(scores)
            yield from finished()
        yield from finished()

    def _in_order(self, sequences: Sequences) -> Collector:
        return _InOrder(sequences.picked, {output: self._width(output) for output in self.outputs})

    def _tokenise(self, block: Block) -> Pieces:
        if block.given_words is None:
            return self.tokenizer.encode(block.texts)
        return self.tokenizer.encode_words(block.texts, block.given_words)

    def _lay_out(
        self, block: Block, pieces: Pieces, *, window: int | None, overlap: int | None, read_empty: bool
    ) -> Layout:
        """The block's windows with everything that stands around them."""
        size = self.window if window is None else min(window, self.window)
        if block.partners is None:
            shared = min(self.overlap, size // 4) if overlap is None else overlap
            windows = plan_batch(pieces.bounds, size=size, overlap=shared, read_empty=read_empty)
            return lay_out(pieces.ids, windows, self._special)
        beside = self.tokenizer.encode(block.partners.texts)
        sizes = room_beside(
            block.partners.texts,
            np.diff(beside.bounds),
            np.diff(pieces.bounds),
            size=size,
            longest=self._longest,
            special=self._special,
        )
        shares = np.minimum(self.overlap, sizes // 4) if overlap is None else overlap
        windows = plan_batch(pieces.bounds, size=sizes, overlap=shares, read_empty=read_empty)
        partners = PartnerPieces(beside.ids, beside.bounds, block.partners.first)
        return lay_out(pieces.ids, windows, self._special, partners=partners)

    def _width(self, output: str) -> int:
        head, config = self.checkpoint.heads.get(output), self.checkpoint.config
        return config.hidden_size if head is None else output_width(head, config)


def types_known(special: SpecialPieces, *, family: Family) -> SpecialPieces:
    """Special pieces with the types that a family knows, whatever its tokenizer's file says; so does transformers."""
    return special if family.pair_type_id is None else replace(special, pair_type_id=family.pair_type_id)


def frame(ids: NDArray[np.int32], windows: Windows, special: SpecialPieces) -> Sequences:
    """Put the special pieces around each window; a piece is picked in the window that decides it."""
    return _picked(lay_out(ids, windows, special), decided)


def _picked(layout: Layout, picks: Picks) -> Sequences:
    return Sequences(layout.ids, layout.type_ids, picks(layout), layout.bounds)


class Collector(Protocol):
    """Takes the scores of some sequences batch by batch."""

    def receive(self, scores: Scores, slots: NDArray[np.int64]) -> None:
        """Take a batch's scores ``[picks, width]``, by output, and the slots of the sequences that they are of."""
        ...

    def result(self) -> Scores:
        """What all of them have become."""
        ...


Collect = Callable[[Layout], Collector]
"""Makes the collector of a block."""


class _InOrder:
    """Scores in the order in which their picks stand in the sequences, ``[picks, width]``."""

    def __init__(self, picked: NDArray[np.bool_], widths: Mapping[str, int]) -> None:
        self._picked = picked
        self._widths = widths
        self._slots: list[NDArray[np.int64]] = []
        self._received: list[Scores] = []

    def receive(self, scores: Scores, slots: NDArray[np.int64]) -> None:
        self._slots.append(slots)
        self._received.append(scores)

    def result(self) -> Scores:
        return {output: self._ordered(output, width) for output, width in self._widths.items()}

    def _ordered(self, output: str, width: int) -> NDArray[Any]:
        if not self._received:
            return np.empty((0, width), np.float32)
        rank = np.cumsum(self._picked) - 1
        scores = np.concatenate([part[output] for part in self._received])
        ordered = np.empty_like(scores)
        ordered[rank[np.concatenate(self._slots)]] = scores
        return ordered


class _Job:
    """Some sequences on their way through an engine."""

    def __init__(self, sequences: Sequences, placements: Sequence[Placement], collector: Collector) -> None:
        self._sequences = sequences
        self._placements = placements
        self._collector = collector
        self._asked: deque[NDArray[np.int64]] = deque()
        self._n_received = 0

    def batches(self, *, pad: int) -> Iterator[Rows]:
        for placement in self._placements:
            rows, slots = build_rows(self._sequences, placement, pad=pad)
            self._asked.append(slots)
            yield rows

    def receive(self, scores: Scores) -> None:
        self._collector.receive(scores, self._asked.popleft())
        self._n_received += 1

    @property
    def is_done(self) -> bool:
        return self._n_received == len(self._placements)

    def result(self) -> Scores:
        return self._collector.result()

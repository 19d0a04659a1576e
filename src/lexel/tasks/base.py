"""The one flow of every task: texts -> pieces -> windows -> packed rows -> engine -> scores per piece.

Texts travel in blocks. A flow takes a stream of blocks and adds to each what its checkpoint reads there; flows chain,
so several checkpoints read the same text one after the other. While the engine computes one block, the next is being
tokenised: the look-ahead is one block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.engines.base import Engine, Rows, Scores
from lexel.engines.packing import BATCH_PIECES, Placement, Sequences, build_rows, pack
from lexel.errors import CheckpointError, EngineError
from lexel.text.tokenizer import Pieces, SpecialPieces, Tokenizer, load_tokenizer
from lexel.text.windows import Windows, plan_batch

BLOCK_CHARS = 16_384
"""Characters gathered into a block; a longer text is a block of its own."""

OVERLAP = 128
"""Pieces that neighbouring windows of a long text share; at most a quarter of the window in small models."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one checkpoint read in a block: its pieces and, by output, scores ``[pieces, labels]``."""

    pieces: Pieces
    scores: Scores


@dataclass(frozen=True, slots=True)
class Block:
    """Some texts on their way through the flows.

    Attributes:
        texts: The callers' strings.
        given_words: The words of each text, ``[words, 2]``, where the caller gave them.
        readings: What has been read so far, by the name of the flow.
    """

    texts: Sequence[str]
    given_words: Sequence[NDArray[np.int32]] | None = None
    readings: dict[str, Reading] = field(default_factory=dict)


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
    ) -> None:
        self.name = name
        self.checkpoint = checkpoint
        self.engine = engine
        self.outputs = tuple(outputs)
        config = checkpoint.config
        self.tokenizer: Tokenizer = load_tokenizer(
            checkpoint.source.folder, pieces=checkpoint.pieces, model_type=config.model_type
        )
        if self.tokenizer.n_pieces > config.vocab_size:
            raise CheckpointError(
                f"{checkpoint.source.folder}: the tokenizer has {self.tokenizer.n_pieces} pieces, the embedding "
                f"{config.vocab_size}; they are not of one model: take the tokenizer files of this checkpoint"
            )
        if batch_pieces < 1:
            raise EngineError(f"batch_pieces is {batch_pieces}; expected 1 or more")
        self._batch_pieces = batch_pieces
        special = self.tokenizer.special
        self._longest = min(config.max_positions, self.tokenizer.max_length or config.max_positions)
        self.window = self._longest - len(special.prefix) - len(special.suffix)
        if self.window < 1:
            raise CheckpointError(
                f"{checkpoint.source.folder}: sequences of {self._longest} leave no room beside the special pieces; "
                "correct max_position_embeddings in config.json or model_max_length in tokenizer_config.json"
            )
        self.overlap = min(OVERLAP, self.window // 4)

    def read(
        self, blocks: Iterable[Block], *, window: int | None = None, overlap: int | None = None
    ) -> Iterator[Block]:
        """Add this flow's reading to each block, in order.

        Args:
            blocks: What to read.
            window: Smaller windows than ``self.window``.
            overlap: Pieces that neighbouring windows share; by default ``self.overlap``, or less in small windows.
        """
        size = self.window if window is None else min(window, self.window)
        shared = min(self.overlap, size // 4) if overlap is None else overlap
        jobs: deque[_Job] = deque()

        def batches() -> Iterator[Rows]:
            for block in blocks:
                job = self._start(block, size, shared)
                jobs.append(job)
                yield from job.batches(pad=self.tokenizer.special.pad)

        def finished() -> Iterator[Block]:
            while jobs and jobs[0].is_done:
                yield self._finish(jobs.popleft())

        for scores in self.engine.run(batches(), self.outputs):
            yield from finished()  # blocks without a piece, which no batch announces
            jobs[0].receive(scores)
            yield from finished()
        yield from finished()

    def _start(self, block: Block, size: int, overlap: int) -> _Job:
        pieces = self._tokenise(block)
        windows = plan_batch(pieces.bounds, size=size, overlap=overlap)
        sequences = frame(pieces.ids, windows, self.tokenizer.special)
        placements = pack(np.diff(sequences.bounds), max_length=self._longest, batch_pieces=self._batch_pieces)
        return _Job(block, pieces, sequences, placements)

    def _tokenise(self, block: Block) -> Pieces:
        if block.given_words is None:
            return self.tokenizer.encode(block.texts)
        return self.tokenizer.encode_words(block.texts, block.given_words)

    def _finish(self, job: _Job) -> Block:
        scores = {name: job.in_order(name, self._width(name)) for name in self.outputs}
        job.block.readings[self.name] = Reading(job.pieces, scores)
        return job.block

    def _width(self, output: str) -> int:
        head = self.checkpoint.heads.get(output)
        return self.checkpoint.config.hidden_size if head is None else len(head.labels)


def frame(ids: NDArray[np.int32], windows: Windows, special: SpecialPieces) -> Sequences:
    """Put the special pieces around each window; a piece is picked in the window that decides it."""
    n_prefix, n_suffix = len(special.prefix), len(special.suffix)
    sizes = windows.end - windows.start
    framed = sizes + n_prefix + n_suffix
    bounds = np.concatenate(([0], np.cumsum(framed)))
    before = np.cumsum(sizes) - sizes
    inside = np.arange(int(sizes.sum())) - np.repeat(before, sizes)  # position in its window
    slots = np.repeat(bounds[:-1] + n_prefix, sizes) + inside
    pieces = np.repeat(windows.start, sizes) + inside
    total = int(bounds[-1])
    all_ids = np.empty(total, np.int32)
    for k, piece in enumerate(special.prefix):
        all_ids[bounds[:-1] + k] = piece
    for k, piece in enumerate(special.suffix):
        all_ids[bounds[1:] - n_suffix + k] = piece
    all_ids[slots] = ids[pieces]
    picked = np.zeros(total, np.bool_)
    picked[slots] = (pieces >= np.repeat(windows.keep_start, sizes)) & (pieces < np.repeat(windows.keep_end, sizes))
    return Sequences(all_ids, np.zeros(total, np.int32), picked, bounds)


class _Job:
    """A block on its way through an engine."""

    def __init__(self, block: Block, pieces: Pieces, sequences: Sequences, placements: Sequence[Placement]) -> None:
        self.block = block
        self.pieces = pieces
        self._sequences = sequences
        self._placements = placements
        self._asked: list[NDArray[np.int64]] = []
        self._received: list[Scores] = []

    def batches(self, *, pad: int) -> Iterator[Rows]:
        for placement in self._placements:
            rows, pieces = build_rows(self._sequences, placement, pad=pad)
            self._asked.append(pieces)
            yield rows

    def receive(self, scores: Scores) -> None:
        self._received.append(scores)

    @property
    def is_done(self) -> bool:
        return len(self._received) == len(self._placements)

    def in_order(self, output: str, width: int) -> NDArray[Any]:
        """Scores of the picked pieces in the order in which they stand in the text, ``[picks, width]``."""
        if not self._received:
            return np.empty((0, width), np.float32)
        rank = np.cumsum(self._sequences.picked) - 1
        scores = np.concatenate([part[output] for part in self._received])
        ordered = np.empty_like(scores)
        ordered[rank[np.concatenate(self._asked)]] = scores
        return ordered

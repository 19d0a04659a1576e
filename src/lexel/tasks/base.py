"""The one flow of every task: texts -> pieces -> windows -> packed rows -> engine -> scores per piece.

Texts travel in blocks. A flow reads a block in three steps, which can also be used one by one:

    prepare   texts -> pieces, windows, sequences       ``Flow.prepare``
    compute   packed rows -> scores                     ``Flow.compute``, or ``Flow.batches`` and ``Engine.submit``
    finish    scores -> the block's reading             ``Flow.finish``

``Flow.read`` does all three for a stream of blocks. Flows can be chained, so that several checkpoints read the same
text one after the other. While the engine computes one block, the next one is prepared: the look-ahead is one block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.encoder.family import Family
from lexel.engines.base import BATCH_PIECES, Engine, Rows, Scores
from lexel.engines.heads import output_width
from lexel.engines.packing import Sequences
from lexel.errors import CheckpointError, EngineError
from lexel.tasks.framing import Layout, PartnerPieces, Picks, decided, lay_out, room_beside, windowed
from lexel.tasks.gathering import BLOCK_CHARS
from lexel.tasks.span_windows import SpanCollector, SpanHead
from lexel.tasks.work import Batch, Collector, HandingOver, InOrder, Part, Work, make_batches
from lexel.text.script import in_script
from lexel.text.tokenizer import Pieces, SpecialPieces, Tokenizer, load_tokenizer
from lexel.text.tokenizer_rules import MOST_ADDED
from lexel.text.windows import Windows, plan_batch

OVERLAP = 128
"""Pieces that neighbouring windows of a long text share; at most a quarter of the window in small models."""

BATCH_PRODUCTS = 6_300_000
"""Fixed cost of a batch, in units where a slot costs ``hidden_size ** 2``: 96 slots of the bundled Chinese model,
measured with batches of changing shapes; 10 slots of BERT-base."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The scores of one checkpoint for a block.

    Attributes:
        pieces: The pieces of its texts.
        scores: By output, scores at the slots that were picked, ``[picks, width]``. Taggers pick every piece once, so
            for them it is ``[pieces, labels]``. A task's own collector may return something else; a head for spans
            gives a row for each span, see ``SpanCollector.result``.
        windows: The windows in which the texts were read.
        window: The window of each pick, ``[picks]``, in ascending order.
        piece: The piece of each pick, or -1 for special pieces and partners, ``[picks]``.
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
        texts: One for each text; every window of the text holds the whole of it.
        first: Whether it comes before its text (a question) or after it (a hypothesis), ``[texts]``.
    """

    texts: Sequence[str]
    first: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Block:
    """A list of texts that is passed through the flows.

    Attributes:
        texts: The callers' strings; long ones are read in windows.
        given_words: The words of each text, ``[words, 2]``, where the caller gave them.
        readings: The readings so far, by the name of the flow.
        partners: The other texts, if the texts are halves of pairs.
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


def gather_given(texts: Iterable[tuple[str, NDArray[np.int32]]]) -> Iterator[Block]:
    """Gather texts with the places of their words, ``[words, 2]`` for each, into blocks."""
    waiting: list[NDArray[np.int32]] = []

    def alone() -> Iterator[str]:
        for text, words in texts:
            waiting.append(words)
            yield text

    for block in gather_blocks(alone()):
        given, waiting[:] = waiting[: len(block.texts)], waiting[len(block.texts) :]
        yield Block(block.texts, given)


class Pair(NamedTuple):
    """A text to be read in windows, and its partner in each window, if it has one."""

    text: str
    partner: str | None = None
    partner_first: bool = False


def gather_pairs(pairs: Iterable[Pair], *, block_chars: int = BLOCK_CHARS) -> Iterator[Block]:
    """Gather pairs, in order, into blocks; a block holds pairs only, or single texts only."""
    for _, group in groupby(pairs, key=lambda pair: pair.partner is None):
        block: list[Pair] = []
        n_chars = 0
        for pair in group:
            block.append(pair)
            n_chars += len(pair.text) + len(pair.partner or "") + 1
            if n_chars >= block_chars:
                yield block_of_pairs(block)
                block, n_chars = [], 0
        if block:
            yield block_of_pairs(block)


def block_of_pairs(pairs: Sequence[Pair]) -> Block:
    """A block of pairs only, or of single texts only."""
    texts = [pair.text for pair in pairs]
    if pairs[0].partner is None:
        return Block(texts)
    first = np.array([pair.partner_first for pair in pairs], np.bool_)
    return Block(texts, partners=Partners([pair.partner or "" for pair in pairs], first))


def join_words(words: Sequence[str], delimiter: str) -> tuple[str, NDArray[np.int32]]:
    """A text joined from its words, and their positions in it, ``[words, 2]``."""
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    starts = np.cumsum(lengths + len(delimiter)) - lengths - len(delimiter)
    return delimiter.join(words), np.stack((starts, starts + lengths), axis=1).astype(np.int32)


class Prepared(Work):
    """A block that a flow is reading.

    Attributes:
        block: The texts.
        pieces: Their pieces.
        layout: The windows, with the special pieces and partners around them.
    """

    def __init__(
        self, block: Block, pieces: Pieces, layout: Layout, sequences: Sequences, collector: Collector
    ) -> None:
        super().__init__(sequences, collector)
        self.block = block
        self.pieces = pieces
        self.layout = layout


Collect = Callable[[Layout], Collector]
"""Makes the collector of a block."""

W = TypeVar("W", bound=Work)


class Flow:
    """One checkpoint, ready to read: its tokenizer, its engine, and the outputs to compute.

    Args:
        name: The key of its readings in a block.
        checkpoint: The model.
        engine: The engine that computes it.
        outputs: Heads (or ``hidden.N``) to compute.
        batch_pieces: Maximum number of slots in a batch.
        script: ``simplified`` or ``traditional`` to have Chinese converted before the model, or ``as-is``.

    Attributes:
        window: Maximum number of pieces that are encoded together, without special pieces.
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
        self.outputs: tuple[str, ...] = tuple(outputs)
        self.script = script
        config = checkpoint.config
        own = load_tokenizer(checkpoint.source.folder, pieces=checkpoint.pieces, model_type=config.model_type)
        self.tokenizer: Tokenizer = in_script(own, script)
        _check_pieces(self.tokenizer, n_known=config.vocab_size, folder=str(checkpoint.source.folder))
        if batch_pieces < 1:
            raise EngineError(f"batch_pieces is {batch_pieces}; expected 1 or more")
        self._batch_pieces = batch_pieces
        self._has_piece_beyond = self.tokenizer.n_pieces > config.vocab_size
        special = self._special = types_known(self.tokenizer.special, family=config.family)
        self._longest = min(config.max_positions, self.tokenizer.max_length or config.max_positions)
        self.window: int = self._longest - len(special.prefix) - len(special.suffix)
        if self.window < 1:
            raise CheckpointError(
                f"{checkpoint.source.folder}: sequences of {self._longest} leave no room beside the special pieces; "
                "correct max_position_embeddings in config.json or model_max_length in tokenizer_config.json"
            )
        self.overlap: int = min(OVERLAP, self.window // 4)
        self._span_heads = {
            name: SpanHead(head.pointer, len(head.labels))
            for name in self.outputs
            if (head := checkpoint.heads.get(name)) is not None and head.pointer is not None
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the model's folder and the options only: an unpickled flow reads the files again."""
        again = partial(Flow, outputs=self.outputs, batch_pieces=self._batch_pieces, script=self.script)
        return again, (self.name, self.checkpoint, self.engine)

    def __deepcopy__(self, memo: dict[int, Any]) -> Flow:
        return self  # it is immutable, so threads may share it

    def read(
        self,
        blocks: Iterable[Block],
        *,
        window: int | None = None,
        overlap: int | None = None,
        picks: Picks = decided,
        read_empty: bool = False,
        collect: Collect | None = None,
        span_threshold: float = 0.0,
    ) -> Iterator[Block]:
        """Add this flow's reading to each block, in order: ``prepare``, ``compute`` and ``finish``.

        A block without texts means that the source is about to wait: all blocks before it are returned first.

        Args:
            blocks: The blocks to read.
            window: See ``prepare``.
            overlap: See ``prepare``.
            picks: See ``prepare``.
            read_empty: See ``prepare``.
            collect: See ``prepare``.
            span_threshold: See ``prepare``.

        Raises:
            DataError: If a partner leaves too little room for its text.
        """
        prepare = partial(
            self.prepare,
            window=window,
            overlap=overlap,
            picks=picks,
            read_empty=read_empty,
            collect=collect,
            span_threshold=span_threshold,
        )
        prepared = map(prepare, blocks)
        for one in self.compute(prepared):
            self.finish(one)
            yield one.block

    def prepare(
        self,
        block: Block,
        *,
        window: int | None = None,
        overlap: int | None = None,
        picks: Picks = decided,
        read_empty: bool = False,
        collect: Collect | None = None,
        span_threshold: float = 0.0,
    ) -> Prepared:
        """Step 1: cut the texts of a block into pieces and windows. Nothing is computed yet.

        Args:
            block: The texts.
            window: Smaller windows than ``self.window``; the partner of a pair counts.
            overlap: Pieces that neighbouring windows share; by default ``self.overlap``, or less in small windows.
            picks: The slots whose outputs are computed.
            read_empty: Whether to read a text without pieces, in a window of special pieces (and its partner).
            collect: Makes the collector of the scores, for tasks that keep less than a row for each pick. By default,
                all scores are kept, in the order of the picks.
            span_threshold: For heads that score spans: the score (before a sigmoid) that a span must exceed. A flow
                with such a head uses every piece of every window, regardless of ``picks``.

        Raises:
            DataError: If a partner leaves too little room for its text.
        """
        pieces = self._tokenise(block)
        layout = self._lay_out(block, pieces, window=window, overlap=overlap, read_empty=read_empty)
        sequences = _picked(layout, windowed if self._span_heads else picks)
        collector = self._in_order(sequences) if collect is None or not block.texts else collect(layout)
        if self._span_heads:
            collector = self._spans_of(layout, threshold=span_threshold)
        return Prepared(block, pieces, layout, sequences, collector)

    def batches(self, parts: Sequence[Work | Part], *, fills_up: bool = True) -> Iterator[Batch]:
        """The batches of rows for some works of this flow, or for parts of them; see ``make_batches``.

        Args:
            parts: The works, or parts of them.
            fills_up: Whether batches get empty slots where another batch would cost more.
        """
        return make_batches(
            parts,
            max_length=self._longest,
            batch_pieces=self._batch_pieces,
            pad=self.tokenizer.special.pad,
            overhead=BATCH_PRODUCTS // self.checkpoint.config.hidden_size**2 if fills_up else 0,
        )

    def compute(self, works: Iterable[W]) -> Iterator[W]:
        """Step 2: compute the scores of works; each is returned when it is done, in order.

        The next work is requested while the last one is being computed. A work without sequences means that the source
        is about to wait: all works before it are returned first.

        To compute works of several callers together, give their ``batches`` to ``self.engine.submit``.
        """
        given: deque[W] = deque()
        running: deque[Batch | None] = deque()

        def rows() -> Iterator[Rows | None]:
            for work in works:
                given.append(work)
                if work.is_done:
                    running.append(None)
                    yield None
                for batch in self.batches([work]):
                    running.append(batch)
                    yield batch.rows

        for scores in self.engine.run(rows(), self.outputs):
            batch = running.popleft()
            if batch is not None:
                batch.deliver(scores)
            while given and given[0].is_done:
                yield given.popleft()

    def compute_alone(self, work: Work) -> None:
        """Compute one work; usually it is one batch, which needs no stream."""
        batches = list(self.batches([work]))
        if len(batches) == 1:
            batches[0].deliver(self.engine.submit(batches[0].rows, self.outputs).result())
            return
        found = self.engine.run((batch.rows for batch in batches), self.outputs)
        for batch, scores in zip(batches, found, strict=True):
            batch.deliver(scores)

    def finish(self, prepared: Prepared) -> Reading:
        """Step 3: make the reading of a block whose scores are complete, and add it to the block."""
        layout = prepared.layout
        picked = decided(layout) if self._span_heads else prepared.sequences.picked
        reading = Reading(
            prepared.pieces, prepared.scores(), layout.windows, layout.window[picked], layout.piece[picked]
        )
        prepared.block.readings[self.name] = reading
        return reading

    def work_of(self, sequences: Sequences, take: Callable[[Scores], None]) -> Work:
        """A work that passes its scores to a function, in the order of the picked pieces, ``[picks, width]``.

        Sequences include the special pieces, and none is longer than the model's limit.
        """
        n_picks = int(np.count_nonzero(sequences.picked))
        return Work(sequences, HandingOver(self._in_order(sequences), n_picks, take))

    def _in_order(self, sequences: Sequences) -> Collector:
        return InOrder(sequences.picked, {output: self._width(output) for output in self.outputs})

    def _spans_of(self, layout: Layout, *, threshold: float) -> Collector:
        widths = {output: self._width(output) for output in self.outputs if output not in self._span_heads}
        return SpanCollector(layout, self._span_heads, widths, threshold=threshold)

    def _tokenise(self, block: Block) -> Pieces:
        if block.given_words is None:
            return self._known(self.tokenizer.encode(block.texts))
        return self._known(self.tokenizer.encode_words(block.texts, block.given_words))

    def _known(self, pieces: Pieces) -> Pieces:
        """The pieces, after checking that the embedding has them."""
        n_known = self.checkpoint.config.vocab_size
        if self._has_piece_beyond and pieces.ids.max(initial=0) >= n_known:
            index = int(pieces.ids.max())
            raise CheckpointError(
                f"{self.checkpoint.source.folder}: the text holds {self.tokenizer.strings([index])[0]!r}, a piece that "
                f"was added at index {index}, beyond the embedding of {n_known} pieces; expected text without it"
            )
        return pieces

    def _lay_out(
        self, block: Block, pieces: Pieces, *, window: int | None, overlap: int | None, read_empty: bool
    ) -> Layout:
        """The block's windows with the special pieces and partners around them."""
        size = self.window if window is None else min(window, self.window)
        if block.partners is None:
            shared = min(self.overlap, size // 4) if overlap is None else overlap
            windows = plan_batch(pieces.bounds, size=size, overlap=shared, read_empty=read_empty)
            return lay_out(pieces.ids, windows, self._special)
        self._check_pair()
        beside = self._known(self.tokenizer.encode(block.partners.texts))
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

    def _check_pair(self) -> None:
        type_id, n_types = self._special.pair_type_id, self.checkpoint.config.n_types
        if n_types and type_id >= n_types:
            raise CheckpointError(
                f"{self.checkpoint.source.folder}: the tokenizer gives the second text of a pair type {type_id}, the "
                f"model knows {n_types}; expected a model that reads pairs"
            )

    def _width(self, output: str) -> int:
        head, config = self.checkpoint.heads.get(output), self.checkpoint.config
        return config.hidden_size if head is None else output_width(head, config)


def _check_pieces(tokenizer: Tokenizer, *, n_known: int, folder: str) -> None:
    """Check that the embedding has every piece that a text can have; added pieces may lie beyond it until one occurs.

    Raises:
        CheckpointError: If it lacks one of them, or a special piece.
    """
    special = tokenizer.special
    if tokenizer.n_own_pieces > n_known or tokenizer.n_pieces > n_known + MOST_ADDED:
        raise CheckpointError(
            f"{folder}: the tokenizer has {tokenizer.n_pieces} pieces, the embedding {n_known}; they do not "
            "belong together: use the tokenizer files of this checkpoint"
        )
    needed = (*special.pair_prefix, *special.pair_middle, *special.pair_suffix, *special.prefix, *special.suffix)
    if max((*needed, special.pad)) >= n_known:
        raise CheckpointError(
            f"{folder}: special piece {max(needed)} is beyond the embedding of {n_known} pieces; use the tokenizer "
            "files of this checkpoint"
        )


def types_known(special: SpecialPieces, *, family: Family) -> SpecialPieces:
    """Special pieces with the types that the family knows, whatever the tokenizer's file says, as in transformers."""
    return special if family.pair_type_id is None else replace(special, pair_type_id=family.pair_type_id)


def frame(ids: NDArray[np.int32], windows: Windows, special: SpecialPieces) -> Sequences:
    """Put the special pieces around each window; a piece is picked in the window that decides it."""
    return _picked(lay_out(ids, windows, special), decided)


def _picked(layout: Layout, picks: Picks) -> Sequences:
    return Sequences(layout.ids, layout.type_ids, picks(layout), layout.bounds)

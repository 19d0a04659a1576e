"""Embeddings of texts, and of their words and entities."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.sentence_transformers import SentenceModules, read_sentence_modules, transformer_folder
from lexel.decoding.words import WordTable, mean_over, pieces_of_words
from lexel.document import Document
from lexel.engines.base import Scores
from lexel.engines.choose import EngineKeywords, EngineOptions
from lexel.errors import DataError, OptionError
from lexel.tasks.base import Block, Flow
from lexel.tasks.checks import check_one, check_several, check_text
from lexel.tasks.framing import Layout
from lexel.tasks.loading import Source, announce, describe_flow, load_checkpoint, start_flow
from lexel.tasks.options import options_of_call, options_of_load
from lexel.tasks.pooling import Pool, apply_steps, normalise, pooled_slots
from lexel.tasks.pooling_choice import EmbedKeywords, EmbedOptions, PoolingPlan, plan_pooling
from lexel.tasks.slot_positions import Floats, Ints, SlotPositions, text_positions
from lexel.tasks.streaming import FlowSteps, OnError, read_one, stream_lists, stream_results
from lexel.text.alignment import piece_of_char, read_chars

Part = Literal["word", "entity"]
_VECTORS = "vectors"

_logger = logging.getLogger("lexel")


class Embedding(NamedTuple):
    """The vector of a text.

    Attributes:
        vector: ``[dims]``, float32.
        n_pieces: Number of pieces in the text, with its prompt, without special pieces.
        n_windows: Number of windows that it was read in.
    """

    vector: Floats
    n_pieces: int
    n_windows: int


class EmbeddedBlock(NamedTuple):
    """The vectors of consecutive texts, ``[texts, dims]``, and the counts of each, ``[texts]``."""

    vectors: Floats
    n_pieces: Ints
    n_windows: Ints


class EmbedLoadKeywords(EngineKeywords, EmbedKeywords, total=False):
    """The keywords of ``Embedder.load``."""


class _Embeddings(Sequence[Embedding]):
    """The vectors of a block, one by one."""

    def __init__(self, block: EmbeddedBlock) -> None:
        self.block = block

    def __len__(self) -> int:
        return len(self.block.vectors)

    def __getitem__(self, index: Any) -> Any:
        vectors, n_pieces, n_windows = self.block
        return Embedding(vectors[index], int(n_pieces[index]), int(n_windows[index]))

    def __iter__(self) -> Iterator[Embedding]:
        vectors, n_pieces, n_windows = self.block
        return map(Embedding, vectors, n_pieces.tolist(), n_windows.tolist())


class Embedder:
    """Computes the vector of a text, and of its words and entities. Safe to call from several threads.

    Create one with ``Embedder.load``.

    Attributes:
        plan: How vectors are computed.
        options: Default options; a call can override them.
    """

    def __init__(
        self,
        flow: Flow,
        plan: PoolingPlan,
        options: EmbedOptions | None = None,
        *,
        modules: SentenceModules | None = None,
    ) -> None:
        special = len(flow.tokenizer.special.prefix) + len(flow.tokenizer.special.suffix)
        self._flow = flow
        self._window = None if plan.max_length is None else max(1, plan.max_length - special)
        self.plan = plan
        self.options: EmbedOptions = options or EmbedOptions()
        self._modules = modules

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Embedder, modules=self._modules), (self._flow, self.plan, self.options)

    @classmethod
    def load(
        cls,
        source: Source | None = None,
        *,
        revision: str | None = None,
        pieces: str | None = None,
        script: str = "as-is",
        options: EngineOptions | None = None,
        **keywords: Unpack[EmbedLoadKeywords],
    ) -> Embedder:
        """Load a checkpoint, ready to embed.

        Args:
            source: A model folder (of sentence-transformers too), a hub id (also ``owner/name@revision``), or an opened
                checkpoint. Default: the bundled Chinese model.
            revision: Branch, tag or commit of a hub id.
            pieces: Override what the model reads: ``chars`` or ``tokenizer``.
            script: Convert texts to the script that the model reads, ``simplified`` or ``traditional``; ``as-is``
                converts nothing.
            options: The engine, precision, threads and device.
            keywords: Single fields of ``EngineOptions`` (``engine``, ``precision``, ``threads``, ``device``,
                ``batch_pieces``), and of ``EmbedOptions`` (``pooling``, ``layer``, ``normalise``, ``dimensions``,
                ``prompt``, ``max_chars``); the latter are defaults that a call can override.

        Raises:
            CheckpointError: If the checkpoint cannot be used, or has no weights for the pooling asked for.
            EngineError: If this machine cannot run the requested engine, device or precision.
            OptionError: If an argument has a value that it cannot have.
        """
        computing, usual = options_of_load(EmbedOptions(), options, keywords, load=cls.load)
        checkpoint, modules = open_embedder(source, revision=revision, pieces=pieces)
        plan = plan_pooling(checkpoint, modules, usual)
        flow = start_flow(checkpoint, plan.outputs, computing, script=script)
        embedder = cls(flow, plan, usual, modules=modules)
        announce(embedder._flow)
        _logger.info("pooling: %s", plan.said)
        if plan.prompt:
            _logger.info("prompt: %r before each text", plan.prompt)
        return embedder

    def with_options(self, options: EmbedOptions | None = None, **changes: Unpack[EmbedKeywords]) -> Embedder:
        """The same model with other options; nothing is loaded again.

        Args:
            options: Options to use instead of ``self.options``.
            changes: Single options that differ: ``pooling``, ``layer``, ``normalise``, ``dimensions``, ``prompt``,
                ``max_chars``; see ``EmbedOptions``.

        Raises:
            OptionError: If an option has a value that it cannot have, or needs layers that were not loaded.
        """
        asked = options_of_call(self.options, options, changes, where="Embedder")
        if asked == self.options:
            return self
        plan = plan_pooling(self._flow.checkpoint, self._modules, asked)
        if missing := sorted(set(plan.outputs).difference(self._flow.outputs)):
            raise OptionError(
                f"pooling {plan.said}: {', '.join(missing)} not loaded; loaded are {', '.join(self._flow.outputs)}. "
                "Pass pooling and layer to load"
            )
        return Embedder(self._flow, plan, asked, modules=self._modules)

    def __call__(
        self, text: str, *, options: EmbedOptions | None = None, **changes: Unpack[EmbedKeywords]
    ) -> Embedding:
        """The vector of one text.

        Args:
            text: The text.
            options: Options to use instead of ``self.options``.
            changes: Single options of this call; see ``with_options``.

        Raises:
            TypeError: If ``text`` is not a string, or an option is unknown.
        """
        check_one(text)
        return read_one(self.with_options(options, **changes)._steps, text)

    def stream(
        self,
        texts: Iterable[str],
        *,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: EmbedOptions | None = None,
        **changes: Unpack[EmbedKeywords],
    ) -> Iterator[Embedding]:
        """The vectors of texts, lazily: one for each, in order, in constant memory.

        Args:
            texts: The texts.
            on_error: If an input cannot be read: ``raise`` its error after the results before it, or ``yield`` the
                error in the place of its result. See ``Tagger.stream``.
            live: False reads the inputs in your own thread. See ``Tagger.stream``.
            options: Options to use instead of ``self.options``.
            changes: Single options of this call; see ``with_options``.
        """
        check_several(texts, reader="embedder")
        return stream_results(self.with_options(options, **changes)._steps, texts, on_error=on_error, live=live)

    def encode(
        self, texts: Iterable[str], *, options: EmbedOptions | None = None, **changes: Unpack[EmbedKeywords]
    ) -> Floats:
        """The vectors of texts as one array, float32 ``[texts, dims]``, in order."""
        asked = self.with_options(options, **changes)
        vectors = [block.vectors for block in asked.stream_blocks(texts, live=False)]
        return np.concatenate(vectors) if vectors else np.empty((0, asked.plan.size), np.float32)

    def stream_blocks(
        self,
        texts: Iterable[str],
        *,
        live: bool | None = None,
        options: EmbedOptions | None = None,
        **changes: Unpack[EmbedKeywords],
    ) -> Iterator[EmbeddedBlock]:
        """As ``stream``, but in batches, as they are computed."""
        check_several(texts, reader="embedder")
        steps = self.with_options(options, **changes)._steps
        return (cast(_Embeddings, found).block for found in stream_lists(steps, texts, live=live))

    @cached_property
    def _steps(self) -> FlowSteps[str, str, Embedding]:
        """How texts are read."""
        return FlowSteps(
            (self._flow,),
            check=lambda number, text: self._prepared(check_text(number, text, max_chars=self.options.max_chars)),
            size=len,
            block_of=Block,
            results_of=lambda _, block: _Embeddings(self._embedded(block)),
            how={
                "window": self._window,
                "picks": lambda layout: pooled_slots(self._positions(layout), self.plan.ways),
                "read_empty": True,
                "collect": lambda layout: _TextPool(
                    self._positions(layout), self.plan, self._flow.checkpoint.config.hidden_size
                ),
            },
        )

    def _embedded(self, block: Block) -> EmbeddedBlock:
        reading = block.readings[self._flow.name]
        pooled = np.asarray(reading.scores[_VECTORS], np.float32)
        n_windows = np.bincount(reading.windows.text, minlength=len(block.texts))
        return EmbeddedBlock(self._finished(pooled), np.diff(reading.pieces.bounds), n_windows)

    def similarity(self, sentence: str, sentences: Sequence[str]) -> Floats:
        """Similarity of a sentence to several others: the cosine of their vectors, ``[sentences]``."""
        if isinstance(sentences, str):
            raise TypeError("expected several sentences, found one str; put it in a list")
        vectors = self.encode([sentence, *sentences])
        unit = vectors if self.plan.is_normalised else normalise(vectors)
        return np.asarray(unit[1:] @ unit[0])

    def words(self, document: Document) -> Floats:
        """A vector for each word of a document, float32 ``[words, hidden]``; see ``stream_parts``."""
        return read_one(self._part_steps("word"), document)

    def entities(self, document: Document) -> Floats:
        """A vector for each entity of a document, float32 ``[entities, hidden]``; see ``stream_parts``."""
        return read_one(self._part_steps("entity"), document)

    def stream_parts(
        self, documents: Iterable[Document], *, part: Part, on_error: OnError = "raise", live: bool | None = None
    ) -> Iterator[Floats]:
        """A vector for each word or entity: the mean of the hidden states of its pieces, read within the whole text.

        The layers, ``normalise`` and ``dimensions`` are applied; a prompt and the folder's layers for whole texts are
        not. A word or entity without a piece (characters that the tokenizer drops) has zeros.

        Args:
            documents: Documents with that layer.
            part: ``word`` or ``entity``.
            on_error: If an input cannot be read: ``raise`` its error after the results before it, or ``yield`` the
                error in the place of its result. See ``Tagger.stream``.
            live: False reads the inputs in your own thread. See ``Tagger.stream``.

        Raises:
            DataError: If a document that is not blank lacks the layer.
        """
        return stream_results(self._part_steps(part), documents, on_error=on_error, live=live)

    def _part_steps(self, part: Part) -> FlowSteps[Document, tuple[str, NDArray[np.int32]], Floats]:
        """How words or entities are read."""

        def results_of(items: Sequence[tuple[str, NDArray[np.int32]]], block: Block) -> list[Floats]:
            spans = [own for _, own in items]
            vectors = self._pool_parts(block, spans)[:, : self.part_size]
            vectors = normalise(vectors) if self.plan.is_normalised else vectors
            return np.split(vectors, np.cumsum([len(own) for own in spans])[:-1])

        return FlowSteps(
            (self._flow,),
            check=lambda number, document: (_parts_of(document, part, number), document.text)[::-1],
            size=lambda item: len(item[0]),
            block_of=lambda items: Block([text for text, _ in items]),
            results_of=results_of,
            how={"window": self._window},
        )

    @cached_property
    def description(self) -> str:
        """The model, its pooling and the engine, one line each."""
        return f"{describe_flow(self._flow)}\npooling: {self.plan.said}"

    @property
    def part_size(self) -> int:
        """Width of the vectors of words and entities."""
        hidden = self._flow.checkpoint.config.hidden_size
        return hidden if self.options.dimensions is None else min(hidden, self.options.dimensions)

    @property
    def flow(self) -> Flow:
        """The checkpoint and its engine."""
        return self._flow

    def __repr__(self) -> str:
        return f"<Embedder: {self.plan.said}>"

    @cached_property
    def _first_position(self) -> int:
        """The first position of a text that is pooled, from 1; a prompt may be left out."""
        if self.plan.include_prompt or not self.plan.prompt:
            return 1
        return 1 + self._n_prefix + len(self._flow.tokenizer.encode([self._prepared("")]))

    @property
    def _n_prefix(self) -> int:
        return len(self._flow.tokenizer.special.prefix)

    def _positions(self, layout: Layout) -> SlotPositions:
        return text_positions(layout, n_prefix=self._n_prefix, first=self._first_position)

    def _prepared(self, text: str) -> str:
        text = self.plan.prompt + text
        return _lowered(text) if self.plan.lower_case else text

    def _finished(self, pooled: Floats) -> Floats:
        plan = self.plan
        vectors = apply_steps(pooled, plan.steps)
        if vectors.shape[1] == plan.size:
            return vectors
        cut = np.ascontiguousarray(vectors[:, : plan.size])
        return normalise(cut) if plan.is_normalised else cut

    def _pool_parts(self, block: Block, spans: Sequence[NDArray[np.int32]]) -> Floats:
        reading = block.readings[self._flow.name]
        chars = read_chars(block.texts)
        text = np.repeat(np.arange(len(spans)), [len(own) for own in spans])
        flat = np.concatenate(spans).astype(np.int64) + chars.bounds[text][:, None]
        table = WordTable(flat[:, 0], flat[:, 1], text)
        return mean_over(
            _states(reading.scores, self.plan), *pieces_of_words(table, piece_of_char(chars, reading.pieces))
        )


def open_embedder(
    source: Source | None, *, revision: str | None = None, pieces: str | None = None
) -> tuple[Checkpoint, SentenceModules | None]:
    """The checkpoint of a source, and the contents of its sentence-transformers files."""
    folder = Path(source) if isinstance(source, str | os.PathLike) else None
    if folder is not None and folder.is_dir():
        source = transformer_folder(folder)
    checkpoint = load_checkpoint(source, revision=revision, pieces=pieces)
    place = folder if folder is not None and folder.is_dir() else checkpoint.source.folder
    return checkpoint, read_sentence_modules(place, hidden_size=checkpoint.config.hidden_size)


def _lowered(text: str) -> str:
    """The text in lower case, character for character."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def _parts_of(document: Document, part: Part, number: int) -> NDArray[np.int32]:
    """The offsets of a document's words or entities, ``[parts, 2]``."""
    if not isinstance(document, Document):
        raise TypeError(f"document {number}: expected Document, found {type(document).__name__}")
    layer = "words" if part == "word" else "entities"
    if layer not in document.layers and document.text.strip():
        name = f"text {number}" if document.id is None else f"document {document.id!r}"
        raise DataError(f"{name}: has no {layer}; expected them to embed; find them first (lexel tag)")
    found = document.words if part == "word" else document.entities
    return np.stack((found.starts, found.ends), axis=1)


def _states(scores: Scores, plan: PoolingPlan) -> Floats:
    """The states to pool, ``[picks, hidden]``: the mean of the layers."""
    first, *others = (np.asarray(scores[layer], np.float32) for layer in plan.layers)
    return first if not others else sum(others, first) / np.float32(len(plan.layers))


class _TextPool:
    """Collects a block's states into one vector per text."""

    def __init__(self, positions: SlotPositions, plan: PoolingPlan, hidden_size: int) -> None:
        n_texts = int(positions.group[-1]) + 1  # each text has a window, and each window a slot
        self._positions = positions
        self._plan = plan
        self._pool = Pool(plan.ways, n_groups=n_texts, size=hidden_size)

    def receive(self, scores: Scores, slots: NDArray[np.int64]) -> None:
        attention = self._plan.attention
        shares = None if attention is None else np.asarray(scores[attention][:, 0], np.float32)
        self._pool.add(_states(scores, self._plan), self._positions[slots], shares=shares)

    def result(self) -> Scores:
        return {_VECTORS: self._pool.vectors()}

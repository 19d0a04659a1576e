"""Finds words, tags and entities.

A ``Tagger`` reads three layers. Each layer comes from a head of a checkpoint. The heads of one checkpoint share one
pass, and several checkpoints act as one model.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, Head, open_checkpoint
from lexel.checkpoint.transition_biases import read_transition_biases
from lexel.checkpoint.transitions import read_transitions
from lexel.document import Document
from lexel.engines.choose import EngineKeywords, EngineOptions, describe
from lexel.errors import DataError, LabelError
from lexel.names import Layer
from lexel.tasks.base import Block, Flow, join_words
from lexel.tasks.checks import check_one, check_several, check_text
from lexel.tasks.layers import LayerHead, TagKeywords, TagOptions, decode_block
from lexel.tasks.loading import Source, describe_flow, heads_of, start_flow
from lexel.tasks.options import options_of_call, options_of_load
from lexel.tasks.streaming import FlowSteps, OnError, read_one, stream_results
from lexel.text.sentences import split_sentences
from lexel.trust.contract import Expects

_BY_LABELS: tuple[Layer, ...] = ("entities", "pos")
"""The layers that a contract can apply to."""

TASKS_OF_LAYER: Mapping[Layer, tuple[str, ...]] = {
    "words": ("words", "words+pos"),
    "pos": ("pos", "labels", "words+pos"),
    "entities": ("entities", "spans"),
    "nested": ("spans",),
}
"""The tasks of heads that can give a layer; the first one that a checkpoint has is used."""

_logger = logging.getLogger("lexel")


class TagLoadKeywords(EngineKeywords, TagKeywords, total=False):
    """The keywords of ``Tagger.load``."""


class Tagger:
    """Reads words, part-of-speech tags and named entities. Safe to call from several threads.

    Create one with ``Tagger.load`` (``lexel.load``).

    Attributes:
        layers: The head of each layer; a layer without a head is absent.
        options: Default options; a call can override them.
    """

    def __init__(self, flows: Sequence[Flow], layers: Mapping[Layer, LayerHead], options: TagOptions) -> None:
        self._flows = tuple(flows)
        self.layers: dict[Layer, LayerHead] = dict(layers)
        self.options = options
        self._check_ignored(options)

    @classmethod
    def load(
        cls,
        source: Source | None = None,
        *,
        revision: str | None = None,
        words: Source | None = None,
        pos: Source | None = None,
        entities: Source | None = None,
        scheme: str | None = None,
        labels: Sequence[str] | None = None,
        pieces: str | None = None,
        expects: Expects | None = None,
        script: str = "as-is",
        options: EngineOptions | None = None,
        **keywords: Unpack[TagLoadKeywords],
    ) -> Tagger:
        """Load one checkpoint, or a separate one for each layer.

        Args:
            source: A model folder, a hub id (also ``owner/name@revision``), or an opened checkpoint. Default: the
                bundled Chinese model.
            revision: Branch, tag or commit of a hub id.
            words: A separate checkpoint for words.
            pos: A separate checkpoint for part-of-speech tags.
            entities: A separate checkpoint for entities.
            scheme: Override the detected scheme of the labels.
            labels: Override the labels of the config, by index.
            pieces: Override what the model reads: ``chars`` or ``tokenizer``.
            expects: The labels that your program expects (``["PER", "LOC"]``), or a mapping file. They are labels of
                entities if the model has them, else of tags.
            script: Convert texts to the script that the models read, ``simplified`` or ``traditional``. Offsets refer
                to the original texts. ``as-is`` converts nothing.
            options: The engine, precision, threads and device.
            keywords: Single fields of ``EngineOptions`` (``engine``, ``precision``, ``threads``, ``device``,
                ``batch_pieces``), and of ``TagOptions`` (``decode``, ``lexicon``, ``biases``, ``joint``,
                ``entities_on_words``, ``min_score``, ``ignore``, ``snap``, ``max_chars``, ``nested``); the latter are
                defaults that a call can override.

        Raises:
            CheckpointError: If a checkpoint cannot be used.
            LabelError: If a checkpoint has no head for a requested layer, or its labels cannot be interpreted.
            EngineError: If this machine cannot run the requested engine, device or precision.
        """
        computing, usual = options_of_load(TagOptions(), options, TagOptions.read(keywords), load=cls.load)
        parts: dict[Layer, Source | None] = {"words": words, "pos": pos, "entities": entities}

        def opened(part: Source | None, revision: str | None) -> Checkpoint:
            if isinstance(part, Checkpoint):
                return part
            return open_checkpoint(part, revision=revision, pieces=pieces, scheme=scheme, labels=labels)

        given = {layer: opened(part, None) for layer, part in parts.items() if part is not None}
        main = opened(source, revision) if source is not None or not given else None
        main, given = _expecting(main, given, expects)
        chosen = _choose_heads(main, given)
        flows = _start_flows(chosen, computing, script=script)
        layers = {layer: _layer_head(checkpoint, head) for layer, (checkpoint, head) in chosen.items()}
        tagger = cls(flows, layers, usual)
        tagger._say()
        return tagger

    def __call__(self, text: str, *, options: TagOptions | None = None, **changes: Unpack[TagKeywords]) -> Document:
        """Read one text.

        Args:
            text: The text.
            options: Options to use instead of ``self.options``.
            changes: Single options of this call: ``decode``, ``lexicon``, ``biases``, ``joint``,
                ``entities_on_words``, ``min_score``, ``ignore``, ``snap``, ``max_chars``, ``nested``; see
                ``TagOptions``.

        Raises:
            TypeError: If ``text`` is not a string, or an option is unknown.
        """
        check_one(text)
        self._check_words_known()
        return read_one(self._steps(self._asked(options, changes)), text)

    def stream(
        self,
        texts: Iterable[str],
        *,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: TagOptions | None = None,
        **changes: Unpack[TagKeywords],
    ) -> Iterator[Document]:
        """Read texts lazily: one Document for each, in order, in constant memory.

        Args:
            texts: The texts. An iterable without a length is read in a separate thread, so that Documents are
                returned while it waits for the next text.
            on_error: If a text cannot be read: ``raise`` its error after the Documents before it, or ``yield`` the
                error (a ``LexelError`` or ``TypeError``) in the place of its Document and continue.
            live: False reads ``texts`` in your own thread and always fills the batches; True does not, even if
                ``texts`` has a length.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.
        """
        check_several(texts, reader="tagger")
        self._check_words_known()
        return stream_results(self._steps(self._asked(options, changes)), texts, on_error=on_error, live=live)

    async def atag(self, text: str, *, options: TagOptions | None = None, **changes: Unpack[TagKeywords]) -> Document:
        """Read one text without blocking the event loop; otherwise as calling the tagger.

        Calls that wait at the same time are batched. A call can be cancelled.
        """
        check_one(text)
        self._check_words_known()
        asked = self._asked(options, changes)
        alone = asked.biases is not None  # arrays cannot be compared
        from lexel.tasks.event_loop import read_soon

        return await read_soon(self._steps(asked), text, lane=(self, object() if alone else asked))

    def astream(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: TagOptions | None = None,
        **changes: Unpack[TagKeywords],
    ) -> AsyncIterator[Document]:
        """Read texts lazily without blocking the event loop: ``async for doc in nlp.astream(texts)``.

        Args:
            texts: The texts; an asynchronous iterator is asked for them in the event loop.
            on_error: See ``stream``.
            live: See ``stream``.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.
        """
        if not isinstance(texts, AsyncIterable):
            check_several(texts, reader="tagger")
        self._check_words_known()
        from lexel.tasks.event_loop import stream_soon

        return stream_soon(self._steps(self._asked(options, changes)), texts, on_error=on_error, live=live)

    def tag_words(
        self,
        words: Sequence[str],
        *,
        delimiter: str = "",
        options: TagOptions | None = None,
        **changes: Unpack[TagKeywords],
    ) -> Document:
        """Tag one text that is already split into words.

        Args:
            words: The words in order.
            delimiter: The text between two words.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.
        """
        if isinstance(words, str):
            raise TypeError(
                "expected the words of one text (a list of str), found a str; to find words, call the tagger"
            )
        return read_one(self._word_steps(self._asked(options, changes), delimiter), words)

    def stream_words(
        self,
        texts: Iterable[Sequence[str]],
        *,
        delimiter: str = "",
        on_error: OnError = "raise",
        live: bool | None = None,
        options: TagOptions | None = None,
        **changes: Unpack[TagKeywords],
    ) -> Iterator[Document]:
        """Tag texts that are already split into words; otherwise like ``stream``."""
        steps = self._word_steps(self._asked(options, changes), delimiter)
        return stream_results(steps, texts, on_error=on_error, live=live)

    def stream_documents(
        self,
        documents: Iterable[Document],
        *,
        given_words: bool = False,
        on_error: OnError = "raise",
        live: bool | None = None,
        options: TagOptions | None = None,
        **changes: Unpack[TagKeywords],
    ) -> Iterator[Document]:
        """Read the texts of documents; otherwise like ``stream``.

        Args:
            documents: Documents from data. A result keeps the ``id`` of its document, but no annotation.
            given_words: Keep the documents' words, and tag them.
            on_error: See ``stream``.
            live: See ``stream``.
            options: Options to use instead of ``self.options``.
            changes: Single options to change for this call.

        Raises:
            DataError: With ``given_words``, if a document that is not blank has no words.
        """
        if not given_words:
            self._check_words_known()
        steps = self._document_steps(self._asked(options, changes), given_words=given_words)
        return stream_results(steps, documents, on_error=on_error, live=live)

    @cached_property
    def description(self) -> str:
        """The model and the engine, one line each."""
        lines: list[str] = []
        for flow in self._flows:
            lines.append(describe_flow(flow))
        if "words" not in self.layers:
            lines.append("words: no head gives them, so they are the pre-tokeniser's")
        return "\n".join(lines)

    def __repr__(self) -> str:
        engines = "; ".join(describe(flow.engine) for flow in self._flows)
        return f"<Tagger of {', '.join(self.layers)}: {engines}>"

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The checkpoints, each with its engine."""
        return self._flows

    def _say(self) -> None:
        """Log the description; a restrictive licence is a warning."""
        notices = {flow.checkpoint.card.notice for flow in self._flows}
        for line in self.description.splitlines():
            _logger.log(logging.WARNING if line in notices else logging.INFO, line)

    def _check_words_known(self) -> None:
        """Refuse to tag single characters as if they were words."""
        if "words" in self.layers or "pos" not in self.layers:
            return
        flow = next(flow for flow in self._flows if flow.name == self.layers["pos"].flow)
        if flow.checkpoint.pieces == "chars":
            raise LabelError(
                f"{flow.checkpoint.source.folder}: it tags words but does not find them; load it with words=... as "
                "well, or give the words to tag_words or stream_words"
            )

    def _asked(self, options: TagOptions | None, changes: TagKeywords) -> TagOptions:
        """The options of one call."""
        asked = options_of_call(self.options, options, TagOptions.read(changes), where="Tagger")
        self._check_ignored(asked)
        return asked

    def _check_ignored(self, options: TagOptions) -> None:
        labels = self.layers["entities"].label_set.types if "entities" in self.layers else ()
        for label in options.ignore:
            if label not in labels:
                raise LabelError(f"ignore: label {label!r}; expected labels of entities: {', '.join(labels) or 'none'}")

    def _steps(self, options: TagOptions) -> FlowSteps[str, str, Document]:
        """How texts are read."""
        return FlowSteps(
            self._flows,
            check=partial(check_text, max_chars=options.max_chars),
            size=len,
            block_of=Block,
            results_of=lambda _, block: self._documents(block, options),
            how=self._how(options),
        )

    def _word_steps(
        self, options: TagOptions, delimiter: str
    ) -> FlowSteps[Sequence[str], tuple[str, NDArray[np.int32]], Document]:
        """How texts with given words are read."""

        def check(number: int, words: Sequence[str]) -> tuple[str, NDArray[np.int32]]:
            text, places = _joined(words, number, delimiter=delimiter)
            return check_text(number, text, max_chars=options.max_chars), places

        return FlowSteps(
            self._flows,
            check=check,
            size=lambda item: len(item[0]),
            block_of=lambda items: Block([text for text, _ in items], [places for _, places in items]),
            results_of=lambda _, block: self._documents(block, options),
            how=self._how(options),
        )

    def _document_steps(self, options: TagOptions, *, given_words: bool) -> FlowSteps[Document, Document, Document]:
        """How the texts of documents are read."""

        def check(number: int, document: Document) -> Document:
            if not isinstance(document, Document):
                raise TypeError(f"document {number}: expected Document, found {type(document).__name__}")
            check_text(number, document.text, max_chars=options.max_chars)
            if given_words:
                _check_has_words(number, document)
            return document

        def block_of(documents: Sequence[Document]) -> Block:
            texts = [document.text for document in documents]
            return Block(texts, [_places_of(document) for document in documents] if given_words else None)

        return FlowSteps(
            self._flows,
            check=check,
            size=lambda document: len(document.text),
            block_of=block_of,
            results_of=lambda documents, block: list(map(_named_as, documents, self._documents(block, options))),
            how=self._how(options),
        )

    def _how(self, options: TagOptions) -> dict[str, float]:
        """How flows read a block: heads for spans keep those above a threshold."""
        thresholds = [options.span_threshold(layer) for layer in self.layers.values() if layer.head.task == "spans"]
        return {"span_threshold": min(thresholds)} if any(thresholds) else {}

    def _documents(self, block: Block, options: TagOptions) -> list[Document]:
        return list(decode_block(block, self.layers, options))


def _choose_heads(main: Checkpoint | None, given: Mapping[Layer, Checkpoint]) -> dict[Layer, tuple[Checkpoint, Head]]:
    """The checkpoint and head of each layer; a checkpoint named for a layer must have a head for it."""
    chosen: dict[Layer, tuple[Checkpoint, Head]] = {}
    for layer in TASKS_OF_LAYER:
        checkpoint = given.get("entities" if layer == "nested" else layer, main)
        head = None if checkpoint is None else _head_for(layer, checkpoint)
        if checkpoint is not None and head is not None:
            chosen[layer] = checkpoint, head
        elif layer in given:
            raise LabelError(f"{given[layer].source.folder}: no head gives {layer}; {heads_of(given[layer])}")
    if not chosen and main is not None:
        others = main.unread_tensors()
        advice = (
            f"; its weights also have {others}: if they are a tagging head, pass labels or scheme" if others else ""
        )
        raise LabelError(
            f"{main.source.folder}: no head gives words, pos or entities; {heads_of(main)}{advice}. "
            "Train a tagging head first, or choose another checkpoint"
        )
    return chosen


def _head_for(layer: Layer, checkpoint: Checkpoint) -> Head | None:
    heads = checkpoint.heads.values()
    return next((head for task in TASKS_OF_LAYER[layer] for head in heads if head.task == task), None)


def _layer_head(checkpoint: Checkpoint, head: Head) -> LayerHead:
    """A head with the scores that decoding adds to its transitions: those of a CRF, biases of a calibrated Viterbi."""
    folder, label_set = checkpoint.source.folder, checkpoint.label_set(head)
    field = read_transitions(head, checkpoint.open_decoding_weights())
    biases = read_transition_biases(folder, label_set) if head.task == "entities" else None
    both = field if biases is None else biases if field is None else field + biases
    return LayerHead(str(folder), head, label_set, both)


def _expecting(
    main: Checkpoint | None, given: dict[Layer, Checkpoint], expects: Expects | None
) -> tuple[Checkpoint | None, dict[Layer, Checkpoint]]:
    """The checkpoints, with the contract applied to the one for entities, else to the one for tags."""
    layer = next((layer for layer in _BY_LABELS if layer in given), None)
    if layer is not None and (layer == "entities" or main is None):
        return main, {**given, layer: given[layer].expecting(expects)}
    return None if main is None else main.expecting(expects), given


def _start_flows(chosen: Mapping[Layer, tuple[Checkpoint, Head]], options: EngineOptions, *, script: str) -> list[Flow]:
    """One flow for each checkpoint, which computes the heads in use."""
    outputs: dict[str, list[str]] = {}
    checkpoints: dict[str, Checkpoint] = {}
    for checkpoint, head in chosen.values():
        name = str(checkpoint.source.folder)
        checkpoints[name] = checkpoint
        if head.name not in outputs.setdefault(name, []):
            outputs[name].append(head.name)
    return [start_flow(checkpoint, outputs[name], options, script=script) for name, checkpoint in checkpoints.items()]


def _joined(words: Sequence[str], number: int, *, delimiter: str) -> tuple[str, NDArray[np.int32]]:
    if isinstance(words, str):
        raise TypeError(f"text {number}: expected its words (a list of str), found a str; to find words, use stream")
    for i, word in enumerate(words):
        if not isinstance(word, str):
            raise TypeError(f"text {number}, word {i}: expected str, found {type(word).__name__}")
    return join_words(words, delimiter)


def _check_has_words(number: int, document: Document) -> None:
    if "words" not in document.layers and document.text.strip():
        name = f"text {number}" if document.id is None else f"document {document.id!r}"
        raise DataError(f"{name}: has no words; expected words to keep (given_words); or let the model find them")


def _places_of(document: Document) -> NDArray[np.int32]:
    """The offsets of a document's words, ``[words, 2]``."""
    return np.stack((document.words.starts, document.words.ends), axis=1)


def _named_as(given: Document, found: Document) -> Document:
    """A result with the id of its input document."""
    return found if given.id is None else _named(found, given.id)


def _named(document: Document, id: str) -> Document:
    """The same document with another id."""
    entities = document.entities if "entities" in document.layers else None
    nested = document.nested if "nested" in document.layers else None
    return Document(document.text, document.words, entities, split_sentences, id=id, nested=nested)

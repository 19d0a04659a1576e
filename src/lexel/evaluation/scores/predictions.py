"""Pairs gold documents with a model's predictions, with values that only the model's scores provide.

A Document holds only decisions. Two values must be computed from tags and scores while blocks are read: whether
entities are well formed, and the loss of the gold labels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.tags import decode_tags
from lexel.document import Document
from lexel.errors import LabelError
from lexel.evaluation.scores.chunks import Pair
from lexel.evaluation.scores.likelihood import DocumentLoss, GoldLosses
from lexel.metrics.spans import are_well_formed, spans_of_tags
from lexel.names import Layer
from lexel.tasks.base import Block, Flow
from lexel.tasks.layers import LayerHead
from lexel.tasks.tag import Tagger
from lexel.text.alignment import flat_ranges, read_chars


def read_pairs(
    tagger: Tagger,
    documents: Iterable[Document],
    *,
    given_words: bool = False,
    label_map: Mapping[str, str] | None = None,
) -> Iterator[Pair]:
    """Each gold document with the model's prediction for its text.

    Args:
        tagger: The model.
        documents: Gold documents.
        given_words: Keep the gold words, and tag them.
        label_map: The model's names for gold labels, if they differ; for the losses.

    Raises:
        LabelError: If strict entities cannot be identified.
    """
    waiting: deque[Document] = deque()
    watch = _Watch(tagger, label_map or {})

    def noted() -> Iterator[Document]:
        for document in documents:
            waiting.append(document)
            watch.expect(document)
            yield document

    for number, predicted in enumerate(watch.tagger.stream_documents(noted(), given_words=given_words, live=False), 1):
        is_strict, losses = watch.seen(len(predicted.entities))
        yield Pair(number, waiting.popleft(), predicted, is_strict, losses)


class _Watch:
    """Examines each block when all flows have read it.

    Attributes:
        tagger: A copy of the given tagger whose blocks are examined.
    """

    def __init__(self, tagger: Tagger, label_map: Mapping[str, str]) -> None:
        *others, last = tagger.flows
        watched = cast(Flow, _WatchedFlow(last, self._look))  # it is only read
        self.tagger = Tagger([*others, watched], tagger.layers, tagger.options)
        self._costs = GoldLosses(tagger.layers, label_map)
        self._strict = _StrictRule.of(tagger)
        self._expected: deque[Document] = deque()
        self._losses: deque[dict[Layer, DocumentLoss]] = deque()
        self._flags: deque[NDArray[np.bool_]] = deque()

    def expect(self, document: Document) -> None:
        """Register a document that is about to be read."""
        self._expected.append(document)

    def seen(self, n_entities: int) -> tuple[NDArray[np.bool_], dict[Layer, DocumentLoss]]:
        """For the next document: whether each of its entities is well formed, and the loss of its gold labels."""
        flags = np.ones(n_entities, np.bool_) if self._strict is None else self._flags.popleft()
        return flags, self._losses.popleft()

    def _look(self, block: Block) -> None:
        documents = [self._expected.popleft() for _ in block.texts]
        self._losses.extend(self._costs.of_block(block, documents))
        if self._strict is not None:
            self._flags.extend(self._strict.flags(block))


class _StrictRule:
    """Finds out which entities of the lenient rule are well formed."""

    def __init__(self, tagger: Tagger, head: LayerHead) -> None:
        self._head = head
        self._options = tagger.options
        self._biases = (tagger.options.biases or {}).get("entities")

    @classmethod
    def of(cls, tagger: Tagger) -> _StrictRule | None:
        """The rule, if it is needed: Viterbi decoding gives only well-formed tags."""
        head = tagger.layers.get("entities")
        if head is None or head.head.task == "spans" or tagger.options.decode == "viterbi":
            return None
        if tagger.options.entities_on_words:
            raise LabelError(
                "entities_on_words with argmax: widened entities cannot be told by the strict rule; "
                "expected one of the two options. Decode with viterbi, or leave entities as they are"
            )
        return cls(tagger, head)

    def flags(self, block: Block) -> list[NDArray[np.bool_]]:
        """Whether each entity is well formed, ``[entities]`` for each text of a block."""
        reading, label_set = block.readings[self._head.flow], self._head.label_set
        scores = reading.scores[self._head.head.name].astype(np.float32, copy=False)
        bounds = reading.pieces.bounds
        tags = decode_tags(scores, bounds, label_set, method=self._options.decode, biases=self._biases)
        spans = spans_of_tags(tags, bounds, label_set, rule="lenient")
        starts, ends = flat_ranges(read_chars(block.texts), reading.pieces)
        found = self._head.span_scores(scores, tags, starts=spans.start, ends=spans.end)
        is_kept = found >= self._options.least_score(self._head)
        solid = (ends[spans.end - 1] > starts[spans.start]) & is_kept  # other tags never become entities
        well_formed, document = are_well_formed(spans, tags, label_set)[solid], spans.document[solid]
        return np.split(well_formed, np.searchsorted(document, np.arange(1, len(block.texts))))


class _WatchedFlow:
    """A flow whose blocks are examined as they pass."""

    def __init__(self, flow: Flow, look: Callable[[Block], None]) -> None:
        self.name, self.checkpoint, self.engine = flow.name, flow.checkpoint, flow.engine
        self._flow = flow
        self._look = look

    def read(self, blocks: Iterable[Block], **how: Any) -> Iterator[Block]:
        for block in self._flow.read(blocks, **how):
            self._look(block)
            yield block

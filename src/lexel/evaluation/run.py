"""Run a model over labelled documents and score every layer that both have."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.tags import decode_tags
from lexel.document import Document
from lexel.errors import LabelError
from lexel.evaluation.chunks import LabelIndex, Pair, chunked
from lexel.evaluation.mistakes import MistakeList
from lexel.evaluation.results import Results
from lexel.evaluation.tallies import EntityTally, PosTally, Sampling, WordTally
from lexel.metrics.spans import are_well_formed, spans_of_tags
from lexel.tasks.base import Block, Flow
from lexel.tasks.layers import Layer, LayerHead
from lexel.tasks.tag import Tagger
from lexel.text.alignment import flat_ranges, read_chars

LAYERS: tuple[Layer, ...] = ("words", "pos", "entities")


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What to measure, and how.

    Attributes:
        vocabulary: The words of the training data, for the recall of words in it and out of it.
        label_map: What the model calls gold labels that have other names.
        given_words: Keep the gold words, and score tags on these; words are then not scored.
        sampling: How intervals are made.
    """

    vocabulary: Collection[str] | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    given_words: bool = False
    sampling: Sampling = field(default_factory=Sampling)


def evaluate(tagger: Tagger, documents: Iterable[Document], *, options: EvaluationOptions | None = None) -> Results:
    """Read the texts of gold documents with a model, and score what it finds.

    Every gold label counts: a label that the model does not know is missed, and said. Memory grows with the number of
    documents by their counts alone (some hundred bytes each).

    Args:
        tagger: The model.
        documents: Gold documents; a layer that one does not carry is not scored on it.
        options: What to measure, and how.

    Raises:
        LabelError: If the map names a label that the model has not, or if the model knows none of the gold labels.
        DataError: From reading the data.
    """
    return _Evaluation(tagger, options or EvaluationOptions()).run(documents)


class _Evaluation:
    """One evaluation under way."""

    def __init__(self, tagger: Tagger, options: EvaluationOptions) -> None:
        self._tagger = tagger
        self._options = options
        labels: dict[Layer, tuple[str, ...]] = {
            layer: _labels_of(head) for layer, head in tagger.layers.items() if layer != "words"
        }
        _check_map(options.label_map, labels)
        indexes = {layer: LabelIndex(names, options.label_map) for layer, names in labels.items()}
        self._words = WordTally(options.vocabulary) if self._scores_words else None
        self._pos = PosTally(indexes["pos"]) if "pos" in indexes else None
        self._entities = EntityTally(indexes["entities"]) if "entities" in indexes else None
        self._mistakes = MistakeList([layer for layer in LAYERS if self._tally(layer)], options.label_map)

    @property
    def _scores_words(self) -> bool:
        return "words" in self._tagger.layers and not self._options.given_words

    def _tally(self, layer: Layer) -> WordTally | PosTally | EntityTally | None:
        return {"words": self._words, "pos": self._pos, "entities": self._entities}[layer]

    def run(self, documents: Iterable[Document]) -> Results:
        began, n_documents, n_chars = perf_counter(), 0, 0
        seen: dict[str, int] = dict.fromkeys(LAYERS, 0)
        for chunk in chunked(_read_pairs(self._tagger, documents, given_words=self._options.given_words)):
            for layer in LAYERS:
                if (tally := self._tally(layer)) is not None:
                    tally.add(chunk)
            self._mistakes.add(chunk)
            n_documents += len(chunk)
            n_chars += sum(len(pair.gold.text) for pair in chunk)
            for layer in LAYERS:
                seen[layer] += sum(layer in pair.gold.layers for pair in chunk)
        return self._results(seen, n_documents, n_chars, seconds=perf_counter() - began)

    def _results(self, seen: Mapping[str, int], n_documents: int, n_chars: int, *, seconds: float) -> Results:
        sampling = self._options.sampling
        results = Results(
            n_documents=n_documents,
            n_chars=n_chars,
            seconds=seconds,
            words=None if self._words is None else self._words.result(sampling),
            pos=None if self._pos is None else self._pos.result(sampling),
            entities=None if self._entities is None else self._entities.result(sampling),
            absent={layer: why for layer in LAYERS if (why := self._why_absent(layer, seen))},
            notes=self._notes(seen, n_documents),
            mistakes=self._mistakes.kept,
            n_mistakes=self._mistakes.counts,
        )
        results.notes.extend(_unknown_labels(results, self._labels()))
        results.notes.extend(self._unused_map())
        return results

    def _labels(self) -> dict[str, Sequence[str]]:
        return {
            layer: tally.index.names[: tally.index.n_known]
            for layer, tally in (("pos", self._pos), ("entities", self._entities))
            if tally is not None
        }

    def _unused_map(self) -> list[str]:
        tallies = [tally for tally in (self._pos, self._entities) if tally is not None]
        used = set[str]().union(*(tally.index.mapped for tally in tallies))
        unused = [label for label in self._options.label_map if label not in used]
        return [f"--map-labels: the data has no {', '.join(unused)}"] if unused else []

    def _why_absent(self, layer: Layer, seen: Mapping[str, int]) -> str | None:
        if not seen[layer]:
            return "no document of the data has it"
        if layer == "words" and self._options.given_words:
            return "the gold words were given to the model"
        return None if self._tally(layer) else "the model has no head for it"

    def _notes(self, seen: Mapping[str, int], n_documents: int) -> list[str]:
        notes = [
            f"{layer}: scored on the {seen[layer]:,} of {n_documents:,} documents that carry them"
            for layer in LAYERS
            if self._tally(layer) and 0 < seen[layer] < n_documents
        ]
        if self._entities is not None and seen["entities"] and self._tagger.options.decode == "viterbi":
            notes.append("entities: Viterbi decoding gives well-formed tags only, so both rules read the same")
        if "words" not in self._tagger.layers and self._pos is not None and not self._options.given_words:
            notes.append("pos: no head gives words, so they are the pre-tokeniser's")
        return notes


def _labels_of(layer: LayerHead) -> tuple[str, ...]:
    """What a layer's spans can be labelled."""
    return layer.head.labels if layer.head.task in ("pos", "labels") else layer.label_set.types


def _check_map(label_map: Mapping[str, str], labels: Mapping[Layer, Sequence[str]]) -> None:
    known = {label for names in labels.values() for label in names}
    strange = sorted(set(label_map.values()) - known)
    if strange:
        raise LabelError(
            f"--map-labels: {', '.join(map(repr, strange))}: not among the model's labels; "
            f"expected some of {', '.join(sorted(known))}"
        )


def _unknown_labels(results: Results, labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which gold labels the model does not know.

    Raises:
        LabelError: If it knows none of a layer's.
    """
    notes = []
    scores = {
        "pos": results.pos and results.pos.by_label,
        "entities": results.entities and results.entities.lenient.by_label,
    }
    for layer, by_label in scores.items():
        gold = {label: score.n_gold for label, score in (by_label or {}).items() if score.n_gold}
        unknown = {label: n for label, n in gold.items() if label not in labels[layer]}
        said = ", ".join(f"{label} ({n:,})" for label, n in unknown.items())
        if unknown and len(unknown) == len(gold):
            raise LabelError(
                f"{layer}: the gold labels are {said}; the model has {', '.join(labels[layer])}, none of them. "
                "Map them with --map-labels FILE"
            )
        if unknown:
            notes.append(f"{layer}: the model does not know {said}; these count as missed. --map-labels can map them")
    return notes


def _read_pairs(tagger: Tagger, documents: Iterable[Document], *, given_words: bool) -> Iterator[Pair]:
    """Each gold document with what the model reads in its text."""
    waiting: deque[Document] = deque()
    watch = _StrictWatch.of(tagger)

    def noted() -> Iterator[Document]:
        for document in documents:
            waiting.append(document)
            yield document

    reader = tagger if watch is None else watch.tagger
    for number, predicted in enumerate(reader.stream_documents(noted(), given_words=given_words), 1):
        is_strict = np.ones(len(predicted.entities), np.bool_) if watch is None else watch.flags.popleft()
        yield Pair(number, waiting.popleft(), predicted, is_strict)


class _StrictWatch:
    """Looks at the tags that entities are read from, and notes which entities are well formed.

    A Document holds what the lenient rule reads. Which of these the strict rule reads too is seen in the tags alone.

    Attributes:
        tagger: Reads as the tagger given does, and is watched.
        flags: For each document that was read, whether each of its entities is well formed.
    """

    def __init__(self, tagger: Tagger, head: LayerHead) -> None:
        self._head = head
        self._method = tagger.options.decode
        self._biases = (tagger.options.biases or {}).get("entities")
        flows = [
            cast(Flow, _WatchedFlow(flow, self)) if flow.name == head.flow else flow  # it is read from, nothing else
            for flow in tagger.flows
        ]
        self.tagger = Tagger(flows, tagger.layers, tagger.options)
        self.flags: deque[NDArray[np.bool_]] = deque()

    @classmethod
    def of(cls, tagger: Tagger) -> _StrictWatch | None:
        """A watch where it can see something: Viterbi decoding gives well-formed tags only."""
        head = tagger.layers.get("entities")
        if head is None or tagger.options.decode == "viterbi":
            return None
        if tagger.options.entities_on_words:
            raise LabelError(
                "entities_on_words with argmax: widened entities cannot be told by the strict rule; "
                "expected one of the two options. Decode with viterbi, or leave entities as they are"
            )
        return cls(tagger, head)

    def look(self, block: Block) -> None:
        """Note the entities of a block's texts."""
        reading, label_set = block.readings[self._head.flow], self._head.label_set
        scores = reading.scores[self._head.head.name].astype(np.float32, copy=False)
        bounds = reading.pieces.bounds
        tags = decode_tags(scores, bounds, label_set, method=self._method, biases=self._biases)
        spans = spans_of_tags(tags, bounds, label_set, rule="lenient")
        starts, ends = flat_ranges(read_chars(block.texts), reading.pieces)
        solid = ends[spans.end - 1] > starts[spans.start]  # others never become entities
        flags, document = are_well_formed(spans, tags, label_set)[solid], spans.document[solid]
        self.flags.extend(np.split(flags, np.searchsorted(document, np.arange(1, len(block.texts)))))


class _WatchedFlow:
    """A flow whose blocks are looked at on their way."""

    def __init__(self, flow: Flow, watch: _StrictWatch) -> None:
        self.name, self.checkpoint, self.engine = flow.name, flow.checkpoint, flow.engine
        self._flow = flow
        self._watch = watch

    def read(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in self._flow.read(blocks):
            self._watch.look(block)
            yield block

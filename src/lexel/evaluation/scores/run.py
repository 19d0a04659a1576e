"""Runs a model on labelled documents, and scores every layer that both have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from lexel.data.folding import fold_for
from lexel.decoding.tags import Method
from lexel.document import Document
from lexel.errors import LabelError
from lexel.evaluation.scores.chunks import LabelIndex, Pair, chunked, has_layer
from lexel.evaluation.scores.mistakes import MistakeList
from lexel.evaluation.scores.predictions import read_pairs
from lexel.evaluation.scores.results import Results
from lexel.evaluation.scores.tallies import EntityTally, LossTally, NestedTally, PosTally, Sampling, WordTally
from lexel.names import LAYERS, Layer
from lexel.tasks.layers import LayerHead
from lexel.tasks.tag import Tagger


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """Options of an evaluation.

    Attributes:
        vocabulary: The words of the training data, for the recall of known and unknown words.
        training_texts: The texts of the training data; documents that also occur there are counted.
        label_map: The model's names for gold labels, if they differ.
        given_words: Keep the gold words, and score tags on them; words are then not scored.
        sampling: How intervals are computed.
    """

    vocabulary: Collection[str] | None = None
    training_texts: Collection[str] | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    given_words: bool = False
    sampling: Sampling = field(default_factory=Sampling)


Tally = WordTally | PosTally | EntityTally | NestedTally


@dataclass(frozen=True, slots=True)
class Abilities:
    """The layers and labels of a model, for scoring it.

    Attributes:
        labels: By layer that it reads, its labels; empty for words.
        decode: How it decodes tags.
    """

    labels: Mapping[Layer, tuple[str, ...]]
    decode: Method

    @classmethod
    def of(cls, tagger: Tagger) -> Abilities:
        """The layers and labels of a tagger."""
        labels = {layer: () if layer == "words" else _labels_of(head) for layer, head in tagger.layers.items()}
        return cls(labels, tagger.options.decode)


def evaluate(tagger: Tagger, documents: Iterable[Document], *, options: EvaluationOptions | None = None) -> Results:
    """Read the texts of gold documents with a model, and score the predictions.

    A gold label that the model does not know counts as missed, with a note. Memory grows with the number of documents
    only by their counts (a few hundred bytes each).

    Args:
        tagger: The model.
        documents: Gold documents; each is scored only on the layers that it has.
        options: Options of the evaluation.

    Raises:
        LabelError: If the map names a label that the model does not have, or the model knows none of the gold labels.
        DataError: From reading the data.
    """
    options = options or EvaluationOptions()
    judge, began = Judge(Abilities.of(tagger), options), perf_counter()
    for chunk in chunked(read_pairs(tagger, documents, given_words=options.given_words, label_map=options.label_map)):
        judge.add(chunk)
    return judge.results(seconds=perf_counter() - began)


class Judge:
    """Counts right predictions chunk by chunk, and computes scores.

    Args:
        abilities: The layers and labels of the model.
        options: Options of the evaluation.

    Attributes:
        tallies: The counts of each layer that is scored.

    Raises:
        LabelError: If the map names a label that the model does not have.
    """

    def __init__(self, abilities: Abilities, options: EvaluationOptions) -> None:
        self._abilities = abilities
        self._options = options
        _check_map(options.label_map, abilities.labels)
        self.tallies: dict[Layer, Tally] = {}
        for layer in LAYERS:
            if layer in abilities.labels and not (layer == "words" and options.given_words):
                self.tallies[layer] = self._tally(layer)
        self._losses = LossTally(self.tallies)
        self._mistakes = MistakeList(list(self.tallies), options.label_map)
        self._seen: dict[str, int] = dict.fromkeys(LAYERS, 0)
        self._n_documents = self._n_chars = self._n_overlapping = 0

    def _tally(self, layer: Layer) -> Tally:
        if layer == "words":
            return WordTally(self._options.vocabulary)
        index = LabelIndex(self._abilities.labels[layer], self._options.label_map)
        if layer == "nested":
            return NestedTally(index)
        return PosTally(index) if layer == "pos" else EntityTally(index)

    def add(self, chunk: Sequence[Pair]) -> None:
        """Count a chunk of documents."""
        for counted in (*self.tallies.values(), self._losses, self._mistakes):
            counted.add(chunk)
        self._n_documents += len(chunk)
        self._n_chars += sum(len(pair.gold.text) for pair in chunk)
        for layer in LAYERS:
            self._seen[layer] += sum(has_layer(pair.gold, layer) for pair in chunk)
        texts = self._options.training_texts or ()
        self._n_overlapping += sum(pair.gold.text.strip() in texts for pair in chunk if pair.gold.text.strip())

    def results(self, *, seconds: float) -> Results:
        """The scores of all counted documents.

        Raises:
            LabelError: If the model knows none of the gold labels of a layer.
        """
        sampling = self._options.sampling
        words, pos, entities, nested = (self.tallies.get(layer) for layer in LAYERS)
        results = Results(
            n_documents=self._n_documents,
            n_chars=self._n_chars,
            seconds=seconds,
            words=words.result(sampling) if isinstance(words, WordTally) else None,
            pos=pos.result(sampling) if isinstance(pos, PosTally) else None,
            entities=entities.result(sampling) if isinstance(entities, EntityTally) else None,
            losses=self._losses.result(sampling),
            absent={layer: why for layer in LAYERS if (why := self._why_absent(layer))},
            notes=self._notes(),
            mistakes=self._mistakes.kept,
            n_mistakes=self._mistakes.counts,
            n_overlapping=None if self._options.training_texts is None else self._n_overlapping,
            nested=nested.result(sampling) if isinstance(nested, NestedTally) else None,
        )
        results.notes.extend(_unknown_labels(results, self._labels()))
        results.notes.extend(self._unused_map())
        return results

    @property
    def _indexes(self) -> dict[Layer, LabelIndex]:
        return {
            layer: tally.index
            for layer, tally in self.tallies.items()
            if isinstance(tally, PosTally | EntityTally | NestedTally)
        }

    def _labels(self) -> dict[str, Sequence[str]]:
        return {layer: index.names[: index.n_known] for layer, index in self._indexes.items()}

    def _unused_map(self) -> list[str]:
        used = set[str]().union(*(index.mapped for index in self._indexes.values()))
        unused = [label for label in self._options.label_map if label not in used]
        return [f"--map-labels: the data has no {', '.join(unused)}"] if unused else []

    def _why_absent(self, layer: Layer) -> str | None:
        if layer == "nested" and layer not in self.tallies:
            return None  # few models find them, and few data sets have them
        if not self._seen[layer]:
            return "no document of the data has it"
        if layer == "words" and self._options.given_words:
            return "the gold words were given to the model"
        return None if layer in self.tallies else "the model has no head for it"

    def _notes(self) -> list[str]:
        seen, n_documents = self._seen, self._n_documents
        notes = [
            f"{layer}: scored on the {seen[layer]:,} of {n_documents:,} documents that carry them"
            for layer in self.tallies
            if 0 < seen[layer] < n_documents
        ]
        if self._n_overlapping:
            notes.append(
                f"{self._n_overlapping:,} of {n_documents:,} documents have texts of the training data (--vocabulary): "
                "the model may have seen them in training"
            )
        if "nested" in self.tallies:
            notes.append("nested: gold is the layer nested, or entities where a document has no such layer")
        elif "entities" in self.tallies and seen["entities"] and self._abilities.decode == "viterbi":
            notes.append("entities: Viterbi decoding gives well-formed tags only, so both rules read the same")
        if "words" not in self._abilities.labels and "pos" in self.tallies and not self._options.given_words:
            notes.append("pos: no head gives words, so they are the pre-tokeniser's")
        return notes


def _labels_of(layer: LayerHead) -> tuple[str, ...]:
    """The possible labels of a layer's spans."""
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
    """Notes on gold labels that the model does not know.

    Raises:
        LabelError: If it knows none of a layer's.
    """
    notes = []
    scores = {
        "pos": results.pos and results.pos.by_label,
        "entities": results.entities and results.entities.lenient.by_label,
        "nested": results.nested and results.nested.spans.by_label,
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
            rule = fold_for(unknown, known=labels[layer]) if layer == "pos" else None
            fold = "" if rule is None else f"; --fold {rule.name} turns {rule.sources} by XPOS into tags that it knows"
            notes.append(
                f"{layer}: the model does not know {said}; these count as missed{fold}. --map-labels can map labels"
            )
    return notes

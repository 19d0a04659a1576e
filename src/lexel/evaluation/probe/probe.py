"""Probes a model for a property with a linear classifier on each layer of the frozen encoder.

The encoder runs once; the states of labelled pieces go to temporary files, so that only one layer at a time is in
memory. For every layer, a logistic regression is fitted to some of the documents, its penalty is chosen on others, and
it is scored on the rest, by the same rule for all layers. Layer 0 is the embeddings, which do not depend on a piece's
neighbours, so any gain over it comes from context. (Alain and Bengio 2016,
https://arxiv.org/abs/1610.01644; Tenney et al. 2019, https://arxiv.org/abs/1905.05950.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.document import Document, Spans, Words
from lexel.engines.choose import EngineOptions
from lexel.errors import DataError
from lexel.evaluation.probe.logistic import fit_logistic, log_probabilities
from lexel.labels import LabelSet, detect
from lexel.metrics.resampling import FloatArray, interval, resample
from lexel.metrics.scores import Estimate, rates_of, ratio
from lexel.metrics.spans import count_spans, spans_of_tags
from lexel.names import FlatLayer
from lexel.tasks.base import Flow, gather_blocks
from lexel.tasks.gold import ABSENT, BEGIN, IGNORE, OUTSIDE, PieceUnits, Units, unit_labels
from lexel.tasks.loading import start_flow
from lexel.text.pieces import Pieces

PENALTIES = (1e-2, 1e-3, 1e-4, 1e-5)
"""The penalties to try, strongest first; each fit starts from the one before."""

_BLOCK_CHARS = 2_048
_SHARES, _SHARES_WITHOUT_TEST = (0.6, 0.2, 0.2), (0.8, 0.2, 0.0)
"""Shares of documents for fitting, choosing the penalty, and scoring."""
_METRICS: Mapping[FlatLayer, str] = {
    "words": "F1 of words",
    "pos": "accuracy of tags, at the first piece of each word",
    "entities": "F1 of entities (lenient)",
}


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """Options of a probe.

    Attributes:
        target: ``words`` (boundaries), ``pos`` or ``entities``.
        max_items: Maximum number of labelled pieces; further documents are not used.
        seed: Seed of the split and the samples.
        n_samples: Bootstrap samples for the intervals.
    """

    target: FlatLayer
    max_items: int = 20_000
    seed: int = 42
    n_samples: int = 1000


@dataclass(frozen=True, slots=True)
class LayerScore:
    """The score of a layer; layer 0 is the embeddings."""

    layer: int
    score: Estimate
    penalty: float


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of a probe.

    Attributes:
        target: The property.
        metric: The metric of the scores.
        labels: The classes of the classifiers.
        n_items: Numbers of labelled pieces for fitting, choosing the penalty, and scoring.
        n_documents: Numbers of documents in these three parts.
        baseline: The score of always predicting the most frequent label.
        layers: The score of each layer, from the embeddings up.
    """

    target: FlatLayer
    metric: str
    labels: tuple[str, ...]
    n_items: tuple[int, int, int]
    n_documents: tuple[int, int, int]
    baseline: Estimate
    layers: list[LayerScore] = field(repr=False)

    @property
    def best(self) -> LayerScore:
        """The layer with the highest score; of several, the lowest layer."""
        return max(self.layers, key=lambda layer: (layer.score.value, -layer.layer))


def probe(
    checkpoint: Checkpoint,
    documents: Iterable[Document],
    *,
    options: ProbeOptions,
    engine: EngineOptions | None = None,
    test: Iterable[Document] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ProbeResult:
    """Fit a linear classifier on each layer of a frozen encoder, and score it.

    Args:
        checkpoint: The model; its heads do not matter.
        documents: Gold documents with the layer to probe for.
        options: The options.
        engine: The engine of the encoder.
        test: Documents to score on; by default a fifth of ``documents``, by the seed.
        progress: Called with the number of layers done and the number of all layers.

    Raises:
        DataError: If the data has too little of the property.
    """
    n_layers = checkpoint.config.n_layers + 1
    outputs = [f"hidden.{layer}" for layer in range(n_layers)]
    flow = start_flow(checkpoint, outputs, engine or EngineOptions())
    with tempfile.TemporaryDirectory(prefix="lexel-probe-") as place, _Collected(flow, Path(place), options) as items:
        items.collect(documents, shares=_SHARES if test is None else _SHARES_WITHOUT_TEST)
        if test is not None:
            items.collect(test, shares=(0.0, 0.0, 1.0))
        task = items.task()
        layers = []
        for layer, output in enumerate(outputs):
            layers.append(task.score_layer(layer, items.features(output)))
            if progress is not None:
                progress(layer + 1, n_layers)
        return task.result(layers)


class _Collected:
    """Labelled pieces with their hidden states, in files."""

    def __init__(self, flow: Flow, place: Path, options: ProbeOptions) -> None:
        self._flow = flow
        self._options = options
        self._random = np.random.default_rng(options.seed)
        self._paths = {output: place / output for output in flow.outputs}
        self._files: dict[str, IO[bytes]] = {}
        self._numbers: dict[str, int] = {}
        self._edges: list[NDArray[np.uint8]] = []
        self._types: list[NDArray[np.int16]] = []
        self._sizes: list[int] = []
        self._parts: list[int] = []

    def __enter__(self) -> _Collected:
        self._files = {output: path.open("wb") for output, path in self._paths.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def collect(self, documents: Iterable[Document], *, shares: Sequence[float]) -> None:
        """Read documents, each for one part: fitting, choosing the penalty, or scoring."""
        waiting: list[Document] = []
        n_items = 0

        def texts() -> Iterator[str]:
            for document in documents:
                if self._options.target in document.layers and document.text.strip():
                    if n_items >= self._options.max_items:
                        return
                    waiting.append(document)
                    yield document.text

        for block in self._flow.read(gather_blocks(texts(), block_chars=_BLOCK_CHARS)):
            reading = block.readings[self._flow.name]
            n_texts = len(block.texts)
            gold, waiting[:n_texts] = waiting[:n_texts], []
            kept = self._label(gold, reading.pieces)
            n_items += int(kept.sum())
            self._parts += self._random.choice(3, n_texts, p=shares).tolist()
            for output, file in self._files.items():
                reading.scores[output][kept].astype(np.float32).tofile(file)

    def _label(self, gold: Sequence[Document], pieces: Pieces) -> NDArray[np.bool_]:
        """Store the labels of a block's pieces; returns which of them are kept, ``[pieces]``."""
        units = self._units(gold, pieces)
        kept = np.asarray(units.edges != ABSENT if self._options.target == "entities" else units.edges < OUTSIDE)
        if self._options.target == "pos":
            kept &= ((units.edges & BEGIN) > 0) & (units.types != IGNORE)
        self._edges.append(units.edges[kept])
        self._types.append(units.types[kept])
        self._sizes += np.bincount(pieces.texts[kept], minlength=len(gold)).tolist()
        return kept

    def _units(self, gold: Sequence[Document], pieces: Pieces) -> Units:
        on_pieces = PieceUnits([document.text for document in gold], pieces)
        if self._options.target == "entities":
            return on_pieces.entities([each.entities for each in gold], [self._ids(each.entities) for each in gold])
        ids = [self._ids(each.words) if self._options.target == "pos" else None for each in gold]
        return on_pieces.words([each.words for each in gold], ids)

    def _ids(self, layer: Words | Spans) -> NDArray[np.int64]:
        labels, ids = (layer.labels, layer.label_ids) if isinstance(layer, Spans) else (layer.pos_labels, layer.pos_ids)
        numbers = [self._numbers.setdefault(label, len(self._numbers)) for label in labels]
        return np.array(numbers, np.int64)[ids] if ids is not None and len(layer) else np.zeros(len(layer), np.int64)

    def features(self, output: str) -> NDArray[np.float32]:
        """The states of one layer, ``[items, hidden]``."""
        self._files[output].flush()
        return np.fromfile(self._paths[output], np.float32).reshape(sum(self._sizes), -1)

    def task(self) -> _Task:
        """The data for the classifiers.

        Raises:
            DataError: If a part has no documents, or there is only one label.
        """
        edges = np.concatenate([np.zeros(0, np.uint8), *self._edges])
        types = np.concatenate([np.zeros(0, np.int16), *self._types])
        self._check(edges, types)
        bounds = np.concatenate(([0], np.cumsum(self._sizes))).astype(np.int64)
        if self._options.target == "pos":
            label_set, classes = None, types.astype(np.int64)
            labels = tuple(self._numbers)
        else:
            label_set = self._label_set()
            ids, units = np.arange(max(len(self._numbers), 1)), Units(edges, types, 0)
            classes = unit_labels(units, label_set, type_ids=ids, bounds=bounds).astype(np.int64)
            labels = label_set.labels
        return _Task(self._options, labels, label_set, classes, np.array(self._parts, np.int64), bounds)

    def _check(self, edges: NDArray[np.uint8], types: NDArray[np.int16]) -> None:
        """Refuse data from which nothing can be learnt."""
        target = self._options.target
        counts = np.bincount(self._parts, minlength=3).tolist()
        if min(counts) < 1:
            found = ", ".join(f"{n} to {what}" for n, what in zip(counts, ("fit", "choose", "score"), strict=True))
            raise DataError(
                f"{target}: {len(self._parts)} documents with that layer ({found}); expected some for each. "
                "Give more data, or --test"
            )
        fitted = np.repeat(np.array(self._parts) == 0, self._sizes)
        if len(np.unique(types[fitted] if target == "pos" else edges[fitted])) < 2:
            raise DataError(f"{target}: one label in all of the data; expected several to tell apart")

    def _label_set(self) -> LabelSet:
        if self._options.target == "words":
            return detect(("B", "I"))
        return detect(["O", *(f"{role}-{name}" for name in self._numbers for role in "BI")])


class _Split(NamedTuple):
    """Whether each piece belongs to each part, ``[items]`` each."""

    fitted: NDArray[np.int64]
    chosen: NDArray[np.int64]
    scored: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Task:
    """Classes of pieces, and their documents."""

    options: ProbeOptions
    labels: tuple[str, ...]
    label_set: LabelSet | None
    classes: NDArray[np.int64]
    parts: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @property
    def _split(self) -> _Split:
        of_item = np.repeat(self.parts, np.diff(self.bounds))
        return _Split(*(np.flatnonzero(of_item == part) for part in range(3)))

    def score_layer(self, layer: int, features: NDArray[np.float32]) -> LayerScore:
        """Fit the classifiers of a layer, and score the one that is best on the second part."""
        split = self._split
        fitted = features[split.fitted]
        centre, spread = fitted.mean(axis=0), np.maximum(fitted.std(axis=0), 1e-6)
        scaled = [(features[part] - centre) / spread for part in split]
        tried: list[tuple[float, float, NDArray[np.floating[Any]]]] = []
        weights = None
        for penalty in PENALTIES:
            weights = fit_logistic(
                scaled[0], self.classes[split.fitted], n_classes=len(self.labels), penalty=penalty, start=weights
            )
            told = log_probabilities(scaled[1], weights)[np.arange(len(split.chosen)), self.classes[split.chosen]]
            tried.append((-float(told.mean()), penalty, weights))
        _, penalty, weights = min(tried, key=lambda fit: fit[0])
        predicted = (scaled[2] @ weights[:-1] + weights[-1]).argmax(axis=1).astype(np.int64)
        return LayerScore(layer, self._score(predicted), penalty)

    def _score(self, predicted: NDArray[np.int64]) -> Estimate:
        """The score of labels predicted for the third part, with its interval."""
        counts, score = self._counts(predicted)
        value = float(score(counts.sum(axis=0, keepdims=True).astype(np.float64))[0])
        if not self.options.n_samples:
            return Estimate(value)
        low, high = interval(score(resample(counts, n_samples=self.options.n_samples, seed=self.options.seed)))
        return Estimate(value, float(low), float(high))

    def _counts(self, predicted: NDArray[np.int64]) -> tuple[NDArray[np.int64], Callable[[FloatArray], FloatArray]]:
        """Counts of each scored document, and the function that turns sums of them into a score."""
        sizes = np.diff(self.bounds)[self.parts == 2]
        bounds, gold = np.concatenate(([0], np.cumsum(sizes))), self.classes[self._split.scored]
        if self.label_set is None:
            document = np.repeat(np.arange(len(sizes)), sizes)
            right = np.bincount(document[gold == predicted], minlength=len(sizes))
            return np.stack((right, sizes), axis=1), lambda sums: ratio(sums[:, 0], sums[:, 1])
        spans = [spans_of_tags(tags, bounds, self.label_set, rule="lenient") for tags in (gold, predicted)]
        n_types = max(len(self.label_set.types), 1)
        counts = count_spans(*spans, n_documents=len(sizes), n_labels=n_types).sum(axis=1)
        return counts, lambda sums: rates_of(sums).f1

    def result(self, layers: list[LayerScore]) -> ProbeResult:
        """Score all labels together."""
        split = self._split
        commonest = int(np.bincount(self.classes[split.fitted]).argmax())
        return ProbeResult(
            target=self.options.target,
            metric=_METRICS[self.options.target],
            labels=self.labels,
            n_items=(len(split.fitted), len(split.chosen), len(split.scored)),
            n_documents=(int((self.parts == 0).sum()), int((self.parts == 1).sum()), int((self.parts == 2).sum())),
            baseline=self._score(np.full(len(split.scored), commonest)),
            layers=layers,
        )

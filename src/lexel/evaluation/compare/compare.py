"""Compares models on the same data: scores, significance, differences, speed and memory.

All models read a document before the next ones, so only counts and some examples are kept. Scores are those of
``evaluate``. Each model is compared with one model, the first or the best, in pairs: with the same bootstrap samples
for both, and with McNemar's test over the gold items that only one of them finds. Speed is measured afterwards, when
every model has read the data once, in rounds whose order alternates.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from lexel.document import Document
from lexel.errors import DataError
from lexel.evaluation.compare.differences import FlipList
from lexel.evaluation.compare.models import ComparedModel
from lexel.evaluation.compare.results import (
    CompareOptions,
    Comparison,
    Contrast,
    DataResult,
    FlipCounts,
    ModelResult,
    Speed,
)
from lexel.evaluation.compare.schemes import GOLD, check_schemes, rename_output, renamed, renamed_labels
from lexel.evaluation.scores.chunks import CHUNK_DOCUMENTS, Pair
from lexel.evaluation.scores.run import Abilities, EvaluationOptions, Judge
from lexel.evaluation.scores.tallies import Headline
from lexel.metrics.resampling import FloatArray, holm, interval, mcnemar, paired_bootstrap, resample
from lexel.metrics.scores import Estimate, rates_of
from lexel.names import LAYERS, Layer


@dataclass(frozen=True, slots=True)
class DataSet:
    """Gold documents that can be read repeatedly.

    Attributes:
        name: Their name.
        documents: Reads them from the start.
        described: Their provenance: file, format, checksum.
    """

    name: str
    documents: Callable[[], Iterator[Document]]
    described: Mapping[str, Any] = field(default_factory=dict)


def compare(
    models: Sequence[ComparedModel], data: Sequence[DataSet], *, options: CompareOptions | None = None
) -> Comparison:
    """Compare models on data.

    Args:
        models: The models.
        data: Gold documents; each model is scored on every layer that both the data and the model have.
        options: How to compare.

    Raises:
        LabelError: If the models use different labels and no map reconciles them.
        DataError: If the data is empty, or has no layer that any of the models reads.
    """
    return _Comparing(models, options or CompareOptions()).run(data)


@dataclass(slots=True)
class _Judged:
    """One data set, read by all models."""

    judges: list[Judge]
    flips: dict[tuple[int, int], FlipList]

    def headlines(self) -> dict[str, list[Headline | None]]:
        """By name of a score, its counts for each model; only scores that the data has labels for."""
        each = [
            {name: head for tally in judge.tallies.values() for name, head in tally.headlines.items()}
            for judge in self.judges
        ]
        names = dict.fromkeys(name for heads in each for name, head in heads.items() if len(head.counts))
        return {name: [heads.get(name) for heads in each] for name in names}


class _Comparing:
    """One comparison in progress."""

    def __init__(self, models: Sequence[ComparedModel], options: CompareOptions) -> None:
        self._models = models
        self._options = options
        self._renamings = [options.label_map.renaming(model.facts.name) for model in models]
        self._abilities = [
            _renamed_abilities(model.facts.abilities, renaming)
            for model, renaming in zip(models, self._renamings, strict=True)
        ]

    def run(self, data: Sequence[DataSet]) -> Comparison:
        notes = [self._look_at(each) for each in data]
        judged = [self._read(each) for each in data]
        reference = self._reference(judged)
        speeds = self._speeds(data)
        return Comparison(
            models=[
                ModelResult(model.facts, speed, model.peak_bytes())
                for model, speed in zip(self._models, speeds, strict=True)
            ],
            reference=reference,
            data=[self._on_data(*each, reference) for each in zip(data, judged, notes, strict=True)],
            means=self._means(judged) if len(data) > 1 else {},
            flips=[
                (second, flip)
                for each in judged
                for (first, second), flips in each.flips.items()
                if first == reference
                for flip in flips.kept
            ],
            options=self._options,
        )

    # Before anything is read -----------------------------------------------------------------------------------------

    def _look_at(self, data: DataSet) -> list[str]:
        """Read the data once to check that there is something to score, and that labels mean the same."""
        there: set[str] = set()
        gold: dict[Layer, set[str]] = {"pos": set(), "entities": set()}
        n_documents = 0
        for document in data.documents():
            n_documents += 1
            there |= document.layers
            if "pos" in document.layers:
                gold["pos"].update(document.words.pos or ())
            gold["entities"].update(document.entities.labels)
        if not n_documents:
            raise DataError(f"{data.name}: no documents; expected labelled ones (--data)")
        read = {layer for able in self._abilities for layer in able.labels}
        if not there & read:
            has, reads = (", ".join(sorted(names - {"sentences"})) or "nothing" for names in (there, read))
            raise DataError(f"{data.name}: holds {has}, the models read {reads}; expected a layer that both have")
        return [*self._check_labels(gold, there), *self._incapable(there)]

    def _check_labels(self, gold: Mapping[Layer, set[str]], there: set[str]) -> list[str]:
        notes = []
        renaming = self._options.label_map.renaming(GOLD)
        for layer, labels in gold.items():
            models = {
                model.facts.name: set(able.labels[layer])
                for model, able in zip(self._models, self._abilities, strict=True)
                if layer in able.labels
            }
            if layer in there and models:
                notes += check_schemes(layer, models, set(renamed_labels(labels, renaming)))
        return notes

    def _incapable(self, there: set[str]) -> list[str]:
        """Notes on models without a head for a layer of the data."""
        pairs = list(zip(self._models, self._abilities, strict=True))
        return [
            f"{model.facts.name} has no head for {layer}; it is not in the scores of {layer}"
            for layer in LAYERS
            if layer in there and any(layer in able.labels for _, able in pairs)
            for model, able in pairs
            if layer not in able.labels
        ]

    # Reading ---------------------------------------------------------------------------------------------------------

    def _read(self, data: DataSet) -> _Judged:
        options = EvaluationOptions(given_words=self._options.given_words, sampling=self._options.sampling)
        judges = [Judge(able, options) for able in self._abilities]
        flips = {
            (i, j): FlipList(data.name, [layer for layer in LAYERS if layer in self._shared(i, j)])
            for i, j in itertools.permutations(range(len(judges)), 2)
            if i == 0 or self._options.against == "best"
        }
        number = 1
        for chunk in _chunks(data.documents()):
            read = [self._pairs(i, chunk, number) for i in range(len(judges))]
            for judge, pairs in zip(judges, read, strict=True):
                judge.add(pairs)
            for (i, j), each in flips.items():
                each.add(read[i], read[j])
            number += len(chunk)
        return _Judged(judges, flips)

    def _shared(self, i: int, j: int) -> set[Layer]:
        shared = set(self._abilities[i].labels) & set(self._abilities[j].labels)
        return shared - {"words"} if self._options.given_words else shared

    def _pairs(self, model: int, chunk: Sequence[Document], number: int) -> list[Pair]:
        """Gold and a model's predictions for a chunk, with common label names."""
        mine, renaming = self._renamings[model], self._options.label_map.renaming(GOLD)
        read = self._models[model].read(chunk, given_words=self._options.given_words)
        pairs = []
        for i, (gold, found) in enumerate(zip(chunk, read, strict=True), number):
            found = rename_output(found, mine)
            losses = {} if self._options.label_map else found.losses
            pairs.append(Pair(i, renamed(gold, renaming), found.document, found.is_strict, losses))
        return pairs

    # Results ---------------------------------------------------------------------------------------------------------

    def _reference(self, judged: Sequence[_Judged]) -> int:
        """The first model, or the one with the highest mean score."""
        if self._options.against == "first":
            return 0
        rows = [heads for each in judged for heads in each.headlines().values()]
        totals = [0.0 for _ in self._models]
        for heads in rows:
            for i, head in enumerate(heads):
                totals[i] += 0.0 if head is None else float(_f1(head.counts.sum(axis=0)))
        return totals.index(max(totals))

    def _on_data(self, data: DataSet, judged: _Judged, notes: list[str], reference: int) -> DataResult:
        headlines = judged.headlines()
        return DataResult(
            name=data.name,
            described=data.described,
            scores={
                name: [None if head is None else self._estimate([head]) for head in heads]
                for name, heads in headlines.items()
            },
            results=[judge.results(seconds=0.0) for judge in judged.judges],
            contrasts=[
                contrast for name, heads in headlines.items() for contrast in self._contrasts(name, heads, reference)
            ],
            flips=[
                FlipCounts(second, _by_layer(flips.verdicts), _by_layer(flips.changes))
                for (first, second), flips in judged.flips.items()
                if first == reference
            ],
            notes=notes,
        )

    def _means(self, judged: Sequence[_Judged]) -> dict[str, list[Estimate | None]]:
        """The mean of each score over the data sets that have it, for each model that has it on all of them."""
        by_name: dict[str, list[list[Headline | None]]] = {}
        for each in judged:
            for name, heads in each.headlines().items():
                by_name.setdefault(name, []).append(heads)
        return {
            name: [
                self._estimate([head for head in column if head is not None]) if all(column) else None
                for column in zip(*rows, strict=True)
            ]
            for name, rows in by_name.items()
            if len(rows) > 1
        }

    def _estimate(self, heads: Sequence[Headline]) -> Estimate:
        """The mean F1 over data sets, with its interval; each set is resampled separately."""
        sampling = self._options.sampling
        value = float(np.mean([_f1(head.counts.sum(axis=0)) for head in heads]))
        if not sampling.n_samples:
            return Estimate(value)
        drawn = [
            _f1(resample(head.counts, n_samples=sampling.n_samples, seed=sampling.seed + i))
            for i, head in enumerate(heads)
        ]
        low, high = interval(np.mean(drawn, axis=0))
        return Estimate(value, float(low), float(high))

    def _contrasts(self, name: str, heads: Sequence[Headline | None], reference: int) -> list[Contrast]:
        held = heads[reference]
        others = [(i, head) for i, head in enumerate(heads) if head is not None and i != reference]
        if held is None or not others:
            return []
        sampling = self._options.sampling
        exact = holm([mcnemar(head.found, held.found) for _, head in others])
        if not sampling.n_samples:
            return [
                Contrast(
                    i, name, float(_f1(head.counts.sum(axis=0)) - _f1(held.counts.sum(axis=0))), None, None, None, p
                )
                for (i, head), p in zip(others, exact, strict=True)
            ]
        found = [
            paired_bootstrap(head.counts, held.counts, score=_f1, n_samples=sampling.n_samples, seed=sampling.seed)
            for _, head in others
        ]
        raised = holm([each.p_value for each in found])
        return [
            Contrast(i, name, each.value, each.low, each.high, p_bootstrap, p_mcnemar)
            for (i, _), each, p_bootstrap, p_mcnemar in zip(others, found, raised, exact, strict=True)
        ]

    # Speed -----------------------------------------------------------------------------------------------------------

    def _speeds(self, data: Sequence[DataSet]) -> list[Speed | None]:
        """Every model reads the same documents in every round; the order of the models alternates."""
        if not self._options.rounds:
            return [None for _ in self._models]
        documents = self._sample(data)
        n_chars = sum(len(document.text) for document in documents)
        rates: list[list[float]] = [[] for _ in self._models]
        for number in range(self._options.rounds):
            order = range(len(self._models)) if number % 2 == 0 else reversed(range(len(self._models)))
            for i in order:
                seconds = self._models[i].seconds(documents, given_words=self._options.given_words)
                rates[i].append(n_chars / seconds)
        return [Speed(median(each), min(each), max(each), n_chars, len(each)) for each in rates]

    def _sample(self, data: Sequence[DataSet]) -> list[Document]:
        """Documents from the start of each data set, with about the same number of characters from each."""
        sample: list[Document] = []
        for each in data:
            n_chars = 0
            for document in each.documents():
                sample.append(document)
                n_chars += len(document.text)
                if n_chars * len(data) >= self._options.speed_chars:
                    break
        return sample


def _renamed_abilities(abilities: Abilities, renaming: Mapping[str, str | None]) -> Abilities:
    labels = {layer: renamed_labels(names, renaming) for layer, names in abilities.labels.items()}
    return Abilities(labels, abilities.decode)


def _chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while chunk := list(itertools.islice(iterator, CHUNK_DOCUMENTS)):
        yield chunk


def _f1(counts: np.ndarray[Any, Any]) -> FloatArray:
    return rates_of(counts).f1


def _by_layer(counter: Mapping[tuple[str, Any], int]) -> dict[str, dict[str, int]]:
    """Counts by layer, then by the rest of the key, the most frequent first."""
    found: dict[str, dict[str, int]] = {}
    for (layer, what), n in sorted(counter.items(), key=lambda item: -item[1]):
        found.setdefault(layer, {})[what] = n
    return found

"""Compares two versions of one model on the same data: scores, changed decisions and speed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.document import Document
from lexel.evaluation.compare.differences import Flip, FlipList
from lexel.evaluation.cost.cost import LayerCost
from lexel.evaluation.scores.chunks import chunked
from lexel.evaluation.scores.predictions import read_pairs
from lexel.evaluation.scores.results import Results
from lexel.evaluation.scores.run import Abilities, EvaluationOptions, Judge
from lexel.evaluation.scores.tallies import Headline
from lexel.metrics.resampling import FloatArray, paired_bootstrap
from lexel.metrics.scores import Estimate, rates_of
from lexel.names import LAYERS
from lexel.tasks.base import Flow, gather_blocks
from lexel.tasks.tag import Tagger

Outputs = Mapping[str, NDArray[Any]]

_ROUNDS = 3
_TIMED_CHARS = 20_000
_EXAMPLES = 5
"""Maximum number of examples per layer."""

_QUANTILE = 0.999
_HEADLINES = {
    "words": "words, F1",
    "pos": "words and pos, F1",
    "entities": "entities, strict, F1",
    "nested": "nested entities, F1",
}


@contextmanager
def without_announcements(*, level: int = logging.WARNING) -> Iterator[None]:
    """Stop models from logging their description each time they are loaded; nothing below ``level`` is logged."""
    logger = logging.getLogger("lexel")
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


# What engines give ---------------------------------------------------------------------------------------------------


def read_outputs(flow: Flow, texts: Iterable[str]) -> dict[str, NDArray[Any]]:
    """A flow's outputs for every piece of the texts, ``[pieces, width]`` each; empty without texts."""
    readings = [block.readings[flow.name] for block in flow.read(gather_blocks(texts))]
    return {name: np.concatenate([reading.scores[name] for reading in readings]) for name in flow.outputs if readings}


def flips_between(before: Outputs, after: Outputs) -> dict[str, float]:
    """By output, different decisions per thousand; for hidden states, 1,000 x the mean cosine distance."""
    return {
        name: 1000 * (_distance(scores, after[name]) if name.startswith("hidden.") else _flips(scores, after[name]))
        for name, scores in before.items()
    }


def _flips(before: Any, after: Any) -> float:
    return float(np.mean(before.argmax(-1) != after.argmax(-1))) if len(before) else 0.0


def _distance(before: Any, after: Any) -> float:
    norms = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    return float(1 - np.mean(np.sum(before * after, axis=-1) / np.maximum(norms, 1e-12))) if len(before) else 0.0


def tolerance_between(before: Outputs, after: Outputs) -> dict[str, float]:
    """By output with probabilities, their maximum difference for 999 of 1,000 pieces."""
    return {
        name: float(np.quantile(probs_apart(scores, after[name]), _QUANTILE))
        for name, scores in before.items()
        if not name.startswith("hidden.") and len(scores)
    }


def probs_apart(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
    """The largest difference of a piece's probabilities between two arrays of scores, ``[pieces]``."""
    return np.asarray(np.abs(_probs(before) - _probs(after)).max(-1))


def _probs(scores: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


# What taggers read ---------------------------------------------------------------------------------------------------


class Tagged:
    """The same documents, read by two taggers.

    Args:
        before: The original.
        after: The derived model.
        documents: Labelled documents, or the predictions of ``before``.
        options: How they are scored.
    """

    def __init__(
        self, before: Tagger, after: Tagger, documents: Sequence[Document], *, options: EvaluationOptions | None = None
    ) -> None:
        options = options or EvaluationOptions()
        both = (before, after)
        self._sampling = options.sampling
        self._judges = [Judge(Abilities.of(tagger), options) for tagger in both]
        shared = [layer for layer in LAYERS if all(layer in judge.tallies for judge in self._judges)]
        self._shared = shared
        self._flips = FlipList("", shared)
        chunks = (
            chunked(read_pairs(tagger, documents, given_words=options.given_words, label_map=options.label_map))
            for tagger in both
        )
        self._n_words = 0
        for firsts, seconds in zip(*chunks, strict=True):
            for judge, pairs in zip(self._judges, (firsts, seconds), strict=True):
                judge.add(pairs)
            self._flips.add(firsts, seconds)
            self._n_words += sum(len(pair.predicted.words) for pair in firsts)

    def layers(self) -> dict[str, LayerCost]:
        """F1 of the scored layers: words, words with their tags, strict entities."""
        before, after = (_scores(judge.results(seconds=0.0)) for judge in self._judges)
        return {name: LayerCost(before[name], after[name], self._change(name)) for name in before if name in after}

    def _change(self, name: str) -> Estimate:
        before, after = (_headline(judge, name) for judge in self._judges)
        sampling = self._sampling
        found = paired_bootstrap(
            after.counts, before.counts, score=_f1, n_samples=sampling.n_samples, seed=sampling.seed
        )
        return Estimate(found.value, found.low, found.high)

    def changed(self) -> dict[str, float]:
        """By layer, changed places per thousand words."""
        counts: dict[str, int] = dict.fromkeys(self._shared, 0)
        for (layer, _), n in self._flips.verdicts.items():
            counts[layer] += n
        return {layer: 1000 * n / max(self._n_words, 1) for layer, n in counts.items()}

    def examples(self) -> list[Flip]:
        """The first changed places of each layer."""
        kept = self._flips.kept
        return [flip for layer in self._shared for flip in [f for f in kept if f.layer == layer][:_EXAMPLES]]


def _scores(results: Results) -> dict[str, Estimate]:
    scores = {}
    if results.words is not None:
        scores["words"] = results.words.words.f1
    if results.pos is not None:
        scores["pos"] = results.pos.words_and_tags.f1
    if results.entities is not None:
        scores["entities"] = results.entities.strict.micro.f1
    if results.nested is not None:
        scores["nested"] = results.nested.spans.micro.f1
    return scores


def _headline(judge: Judge, name: str) -> Headline:
    heads = {title: head for tally in judge.tallies.values() for title, head in tally.headlines.items()}
    return heads[_HEADLINES[name]]


def _f1(sums: FloatArray) -> FloatArray:
    return rates_of(sums).f1


# Speed ---------------------------------------------------------------------------------------------------------------


def speeds(before: Flow, after: Flow, texts: Sequence[str]) -> tuple[float, float]:
    """Characters per second of two flows: medians of a few alternating rounds; 0 without texts."""
    sample = list(islice(texts, 2000))
    while sum(map(len, sample)) > _TIMED_CHARS and len(sample) > 1:
        sample = sample[: len(sample) // 2]
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for flow, found in zip((before, after), rates, strict=True):
            began = perf_counter()
            for _ in flow.read(gather_blocks(sample)):
                pass
            found.append(sum(map(len, sample)) / (perf_counter() - began))
    return float(np.median(rates[0])), float(np.median(rates[1]))


def cut_to(texts: Iterable[str], *, n_chars: int) -> Iterator[str]:
    """The first texts with at most a number of characters in total, and at least one text."""
    n_read = 0
    for text in texts:
        if n_read and n_read + len(text) > n_chars:
            return
        n_read += len(text)
        yield text

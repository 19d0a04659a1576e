"""Counts of one layer, added chunk by chunk, and the scores computed from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.evaluation.scores.chunks import LabelIndex, Pair, flat_layer, has_layer, shifts_of, span_labels, word_labels
from lexel.evaluation.scores.likelihood import DocumentLoss
from lexel.evaluation.scores.results import (
    EntityResult,
    LengthScore,
    LossResult,
    NestedResult,
    PosResult,
    RuleScore,
    WordResult,
)
from lexel.metrics.calibration import N_BINS, Reliability, bin_scores, reliability_of
from lexel.metrics.resampling import interval, resample
from lexel.metrics.scores import Estimate, SpanScore, rates_of, ratio
from lexel.metrics.spans import FlatSpans, count_spans, match_spans
from lexel.metrics.tags import Confusion, count_confusion, count_tags
from lexel.metrics.words import are_known, count_known, without_space
from lexel.names import Layer
from lexel.text.alignment import read_chars

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LENGTHS = (1, 11, 21, 41, 81, 161, 321, 641)
"""The start of each group of lengths, in characters."""

RULE_DESCRIPTIONS = {
    "strict": "a predicted entity counts only if its tags are well formed (seqeval's strict mode)",
    "lenient": "predicted tags are read as conlleval reads them (seqeval's default)",
    "exact": "a predicted span counts if its place and its label are those of a gold one",
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How intervals are computed: from ``n_samples`` bootstrap samples, drawn with ``seed``; 0 means no intervals."""

    n_samples: int = 1000
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Headline:
    """The counts of one score, by document, so that systems can be compared in pairs.

    Attributes:
        counts: Gold, predicted and correct spans of each document, ``[documents, 3]``.
        found: Whether each gold span is found, ``[gold spans]``.
    """

    counts: IntArray
    found: BoolArray

    @classmethod
    def of(cls, counts: Sequence[IntArray], found: Sequence[BoolArray]) -> Headline:
        """Combine the parts of several chunks."""
        return cls(
            np.concatenate([np.zeros((0, 3), np.int64), *counts]), np.concatenate([np.zeros(0, np.bool_), *found])
        )


class Sums:
    """Sums of counts over all documents and over each bootstrap sample."""

    def __init__(self, counts: IntArray | FloatArray, sampling: Sampling) -> None:
        self._totals = counts.sum(axis=0)
        self._drawn = resample(counts, n_samples=sampling.n_samples, seed=sampling.seed) if len(counts) else None

    def estimate(self, score: Callable[[FloatArray], FloatArray]) -> Estimate:
        """A score with its interval; the score is a function of sums ``[..., columns]``."""
        value = float(score(self._totals[None].astype(np.float64))[0])
        if self._drawn is None or not len(self._drawn):
            return Estimate(value)
        low, high = interval(score(self._drawn))
        return Estimate(value, float(low), float(high))

    def spans(self, column: int) -> SpanScore:
        """Rates from three columns: gold, predicted, correct."""
        columns = slice(column, column + 3)
        rates = [self.estimate(lambda sums, i=i: rates_of(sums[:, columns])[i]) for i in range(3)]  # type: ignore[misc]
        n_gold, n_predicted, n_correct = map(int, self._totals[columns])
        return SpanScore(rates[0], rates[1], rates[2], n_gold, n_predicted, n_correct)

    def share(self, part: int, whole: int) -> Estimate:
        """The ratio of two columns."""
        return self.estimate(lambda sums: ratio(sums[:, part], sums[:, whole]))


class _Lengths:
    """Counts by length of the document."""

    def __init__(self) -> None:
        self._n_chars: list[int] = []

    def add(self, pairs: Sequence[Pair]) -> None:
        self._n_chars += [len(pair.gold.text) for pair in pairs]

    def scores(self, counts: IntArray, sampling: Sampling) -> list[LengthScore]:
        """F1 of each non-empty group of lengths, from counts ``[documents, 3]``."""
        group = np.searchsorted(LENGTHS, self._n_chars, side="right") - 1
        scores = []
        for i, low in enumerate(LENGTHS):
            mine = counts[group == i]
            if len(mine):
                score = Sums(mine, sampling).spans(0)
                high = LENGTHS[i + 1] - 1 if i + 1 < len(LENGTHS) else None
                scores.append(LengthScore(low, high, len(mine), score.n_gold, score.f1))
        return scores


class _Calibration:
    """Bins of predictions by score."""

    def __init__(self) -> None:
        self._bins = np.zeros((N_BINS, 3))

    def add(
        self, scores: Sequence[NDArray[np.float32] | None], correct: NDArray[np.bool_], keep: object = None
    ) -> None:
        """Add the predictions of a chunk; nothing if the model gives no scores."""
        if any(part is None for part in scores) or not scores:
            return
        values = np.concatenate([part for part in scores if part is not None])
        kept = np.ones(len(values), np.bool_) if keep is None else np.asarray(keep, np.bool_)
        self._bins += bin_scores(values[kept], correct[kept])

    def result(self) -> Reliability | None:
        return reliability_of(self._bins) if self._bins[:, 0].any() else None


class WordTally:
    """Counts of words."""

    def __init__(self, vocabulary: Collection[str] | None) -> None:
        self._vocabulary = vocabulary
        self._counts: list[IntArray] = []
        self._found: list[BoolArray] = []
        self._lengths = _Lengths()
        self._calibration = _Calibration()

    def add(self, pairs: Sequence[Pair]) -> None:
        """Count the documents of a chunk with gold words."""
        pairs = [pair for pair in pairs if "words" in pair.gold.layers]
        if not pairs:
            return
        shifts, n = shifts_of(pairs), len(pairs)
        gold = flat_layer([pair.gold.words for pair in pairs], shifts, None)
        predicted = flat_layer([pair.predicted.words for pair in pairs], shifts, None)
        space = read_chars([pair.gold.text for pair in pairs]).space
        tokens = [without_space(words, space) for words in (gold, predicted)]
        known = self._count_known(pairs, gold, predicted)
        words = count_spans(gold, predicted, n_documents=n)[:, 0]
        self._counts.append(np.concatenate((words, count_spans(*tokens, n_documents=n)[:, 0], known), axis=1))
        same = match_spans(gold, predicted)
        self._found.append(same.of_gold >= 0)
        self._calibration.add([pair.predicted.words.scores for pair in pairs], same.of_predicted >= 0)
        self._lengths.add(pairs)

    @property
    def headlines(self) -> dict[str, Headline]:
        """The scores for comparing systems."""
        return {"words, F1": Headline.of([part[:, :3] for part in self._counts], self._found)}

    def _count_known(self, pairs: Sequence[Pair], gold: FlatSpans, predicted: FlatSpans) -> IntArray:
        if self._vocabulary is None:
            return np.zeros((len(pairs), 4), np.int64)
        known = are_known([word for pair in pairs for word in pair.gold.words.texts], self._vocabulary)
        return count_known(gold, predicted, known=known, n_documents=len(pairs)).reshape(-1, 4)

    def result(self, sampling: Sampling) -> WordResult | None:
        """The scores; ``None`` if no document had gold words."""
        if not self._counts:
            return None
        counts = np.concatenate(self._counts)
        sums, totals = Sums(counts, sampling), counts.sum(axis=0)
        has_vocabulary = self._vocabulary is not None
        return WordResult(
            n_documents=len(counts),
            words=sums.spans(0),
            tokens=sums.spans(3),
            known_recall=sums.share(7, 6) if has_vocabulary else None,
            oov_recall=sums.share(9, 8) if has_vocabulary else None,
            n_known=int(totals[6]) if has_vocabulary else None,
            n_oov=int(totals[8]) if has_vocabulary else None,
            by_length=self._lengths.scores(counts[:, :3], sampling),
            reliability=self._calibration.result(),
        )


class PosTally:
    """Counts of part-of-speech tags."""

    def __init__(self, index: LabelIndex) -> None:
        self.index = index
        self._counts: list[IntArray] = []
        self._found: list[BoolArray] = []
        self._by_label: list[IntArray] = []
        self._confusion: list[IntArray] = []
        self._lengths = _Lengths()
        self._calibration = _Calibration()

    def add(self, pairs: Sequence[Pair]) -> None:
        """Count the documents of a chunk with gold tags."""
        pairs = [pair for pair in pairs if "pos" in pair.gold.layers]
        if not pairs:
            return
        shifts, n, index = shifts_of(pairs), len(pairs), self.index
        right, found = [pair.gold.words for pair in pairs], [pair.predicted.words for pair in pairs]
        gold = flat_layer(right, shifts, [word_labels(words, index, are_gold=True) for words in right])
        predicted = flat_layer(found, shifts, [word_labels(words, index, are_gold=False) for words in found])
        by_label = count_spans(gold, predicted, n_documents=n, n_labels=len(index))
        tags = count_tags(gold, predicted, n_documents=n)
        self._counts.append(np.concatenate((by_label.sum(axis=1), tags), axis=1))
        self._by_label.append(by_label.sum(axis=0))
        self._confusion.append(count_confusion(gold, predicted, n_labels=len(index)))
        is_word = match_spans(gold, predicted, labelled=False).of_predicted >= 0
        same = match_spans(gold, predicted)
        self._found.append(same.of_gold >= 0)
        self._calibration.add([words.pos_scores for words in found], same.of_predicted >= 0, is_word)
        self._lengths.add(pairs)

    @property
    def headlines(self) -> dict[str, Headline]:
        """The scores for comparing systems."""
        return {"words and pos, F1": Headline.of([part[:, :3] for part in self._counts], self._found)}

    def result(self, sampling: Sampling) -> PosResult | None:
        """The scores; ``None`` if no document had gold tags."""
        if not self._counts:
            return None
        counts, n_labels = np.concatenate(self._counts), len(self.index)
        by_label = sum((_grown(part, (n_labels, 3)) for part in self._by_label), np.zeros((n_labels, 3), np.int64))
        sums = Sums(counts, sampling)
        return PosResult(
            n_documents=len(counts),
            accuracy=sums.share(4, 3),
            words_and_tags=sums.spans(0),
            by_label=_labelled(self.index.names, [Sums(row[None], Sampling(0)).spans(0) for row in by_label]),
            confusion=_confusion(self._confusion, self.index.names),
            by_length=self._lengths.scores(counts[:, :3], sampling),
            reliability=self._calibration.result(),
        )


class EntityTally:
    """Counts of entities, by both rules."""

    def __init__(self, index: LabelIndex) -> None:
        self.index = index
        self._strict: list[IntArray] = []
        self._lenient: list[IntArray] = []
        self._found: tuple[list[BoolArray], list[BoolArray]] = [], []
        self._confusion: list[IntArray] = []
        self._lengths = _Lengths()
        self._calibration = _Calibration()

    def add(self, pairs: Sequence[Pair]) -> None:
        """Count the documents of a chunk with gold entities."""
        pairs = [pair for pair in pairs if "entities" in pair.gold.layers]
        if not pairs:
            return
        shifts, n, index = shifts_of(pairs), len(pairs), self.index
        right, found = [pair.gold.entities for pair in pairs], [pair.predicted.entities for pair in pairs]
        gold = flat_layer(right, shifts, [span_labels(spans, index, are_gold=True) for spans in right])
        predicted = flat_layer(found, shifts, [span_labels(spans, index, are_gold=False) for spans in found])
        strict = predicted.taken(np.concatenate([pair.is_strict for pair in pairs]))
        self._lenient.append(count_spans(gold, predicted, n_documents=n, n_labels=len(index)))
        self._strict.append(count_spans(gold, strict, n_documents=n, n_labels=len(index)))
        self._confusion.append(count_confusion(gold, predicted, n_labels=len(index)))
        same = match_spans(gold, predicted)
        for parts, judged in zip(self._found, (match_spans(gold, strict), same), strict=True):
            parts.append(judged.of_gold >= 0)
        self._calibration.add([spans.scores for spans in found], same.of_predicted >= 0)
        self._lengths.add(pairs)

    @property
    def headlines(self) -> dict[str, Headline]:
        """The scores for comparing systems."""
        rules = zip(("strict", "lenient"), (self._strict, self._lenient), self._found, strict=True)
        return {
            f"entities, {rule}, F1": Headline.of([part.sum(axis=1) for part in parts], found)
            for rule, parts, found in rules
        }

    def result(self, sampling: Sampling) -> EntityResult | None:
        """The scores; ``None`` if no document had gold entities."""
        if not self._lenient:
            return None
        n_labels = len(self.index)
        strict, lenient = (
            np.concatenate([_grown(part, (len(part), n_labels, 3)) for part in parts])
            for parts in (self._strict, self._lenient)
        )
        return EntityResult(
            n_documents=len(lenient),
            strict=_rule_score("strict", strict, self.index.names, sampling),
            lenient=_rule_score("lenient", lenient, self.index.names, sampling),
            confusion=_confusion(self._confusion, self.index.names),
            by_length=self._lengths.scores(lenient.sum(axis=1), sampling),
            reliability=self._calibration.result(),
        )


class NestedTally:
    """Counts of entities that may lie inside each other or overlap."""

    def __init__(self, index: LabelIndex) -> None:
        self.index = index
        self._counts: list[IntArray] = []
        self._found: list[BoolArray] = []
        self._lengths = _Lengths()
        self._calibration = _Calibration()

    def add(self, pairs: Sequence[Pair]) -> None:
        """Count the documents of a chunk with gold entities."""
        pairs = [pair for pair in pairs if has_layer(pair.gold, "nested")]
        if not pairs:
            return
        shifts, n, index = shifts_of(pairs), len(pairs), self.index
        right, found = [pair.gold.all_entities for pair in pairs], [pair.predicted.nested for pair in pairs]
        gold = flat_layer(right, shifts, [span_labels(spans, index, are_gold=True) for spans in right])
        predicted = flat_layer(found, shifts, [span_labels(spans, index, are_gold=False) for spans in found])
        self._counts.append(count_spans(gold, predicted, n_documents=n, n_labels=len(index)))
        same = match_spans(gold, predicted)
        self._found.append(same.of_gold >= 0)
        self._calibration.add([spans.scores for spans in found], same.of_predicted >= 0)
        self._lengths.add(pairs)

    @property
    def headlines(self) -> dict[str, Headline]:
        """The scores for comparing systems."""
        return {"nested entities, F1": Headline.of([part.sum(axis=1) for part in self._counts], self._found)}

    def result(self, sampling: Sampling) -> NestedResult | None:
        """The scores; ``None`` if no document had gold entities."""
        if not self._counts:
            return None
        n_labels = len(self.index)
        counts = np.concatenate([_grown(part, (len(part), n_labels, 3)) for part in self._counts])
        return NestedResult(
            n_documents=len(counts),
            spans=_rule_score("exact", counts, self.index.names, sampling),
            by_length=self._lengths.scores(counts.sum(axis=1), sampling),
            reliability=self._calibration.result(),
        )


class LossTally:
    """The loss of gold labels."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._parts: dict[Layer, list[DocumentLoss]] = {layer: [] for layer in layers}

    def add(self, pairs: Sequence[Pair]) -> None:
        """Add the losses of a chunk's documents."""
        for layer, parts in self._parts.items():
            found = (pair.losses.get(layer) for pair in pairs)
            parts += [loss for loss in found if loss is not None and loss.n_items]

    def result(self, sampling: Sampling) -> dict[str, LossResult]:
        """The mean of each layer that has labelled pieces."""
        results = {}
        for layer, parts in self._parts.items():
            if parts:
                costs = np.array([(loss.total, loss.n_items) for loss in parts], np.float64)
                mean = Sums(costs, sampling).share(0, 1)
                results[str(layer)] = LossResult(mean, int(costs[:, 1].sum()), parts[0].unit)
        return results


def _rule_score(rule: str, counts: IntArray, names: Sequence[str], sampling: Sampling) -> RuleScore:
    """Scores from counts ``[documents, labels, 3]``."""
    n_documents, n_labels, _ = counts.shape
    flat = np.concatenate((counts.sum(axis=1), counts.reshape(n_documents, n_labels * 3)), axis=1)
    there = counts.sum(axis=0)[:, :2].any(axis=1)
    sums = Sums(flat, sampling)

    def macro(i: int) -> Estimate:
        def mean(values: FloatArray) -> FloatArray:
            each = rates_of(values[:, 3:].reshape(len(values), n_labels, 3))[i][:, there]
            return np.asarray(each.mean(axis=1) if there.any() else np.zeros(len(values)), np.float64)

        return sums.estimate(mean)

    by_label = _labelled(names, [sums.spans(3 + 3 * k) for k in range(n_labels)])
    return RuleScore(rule, RULE_DESCRIPTIONS[rule], sums.spans(0), macro(0), macro(1), macro(2), by_label)


def _labelled(names: Sequence[str], scores: Sequence[SpanScore]) -> dict[str, SpanScore]:
    """Scores by label, the most frequent first, without labels that are in neither gold nor prediction."""
    rows = [(name, score) for name, score in zip(names, scores, strict=True) if score.n_gold or score.n_predicted]
    return dict(sorted(rows, key=lambda row: -row[1].n_gold))


def _confusion(parts: Sequence[IntArray], names: Sequence[str]) -> Confusion:
    """The sum of confusion matrices; earlier ones may have fewer labels."""
    n_labels = len(names)
    total = np.zeros((n_labels + 1, n_labels + 1), np.int64)
    for part in parts:
        at = np.append(np.arange(len(part) - 1), n_labels)
        total[np.ix_(at, at)] += part
    kept = np.append(total[:-1].any(axis=1) | total[:, :-1].any(axis=0), True)
    return Confusion(tuple(np.array(names, object)[kept[:-1]]), total[np.ix_(kept, kept)].tolist())


def _grown(counts: IntArray, shape: tuple[int, ...]) -> IntArray:
    """The same counts, with zeros for labels that appeared later."""
    return np.pad(counts, [(0, size - have) for size, have in zip(shape, counts.shape, strict=True)])

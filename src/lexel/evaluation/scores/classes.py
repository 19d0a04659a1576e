"""Scores a text classifier on labelled texts: accuracy, and precision, recall and F1 with every average."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lexel.data.classified import Classified
from lexel.errors import DataError, LabelError
from lexel.evaluation.scores.tallies import Sampling
from lexel.metrics.classes import BoolArray, are_right, are_seen, count_labels, macro_rates, micro_rates
from lexel.metrics.resampling import interval, resample
from lexel.metrics.scores import GOLD, Estimate, FloatArray, Rates, rates_of, ratio
from lexel.tasks.classify import Classifier

Average = Literal["micro", "macro", "weighted", "positive"]
AVERAGES: tuple[Average, ...] = ("positive", "macro", "micro", "weighted")


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Counts of labels, from which any score and its interval can be computed.

    Attributes:
        names: The labels: the model's, then those that only the gold data has.
        totals: Sums over all texts: right texts, texts, then gold, predicted and correct of each label.
        drawn: The same sums of each bootstrap sample, ``[samples, 2 + 3 * labels]``.
    """

    names: tuple[str, ...]
    totals: FloatArray
    drawn: FloatArray

    @property
    def accuracy(self) -> Estimate:
        """Share of texts with exactly the right labels."""
        return self._estimate(lambda sums: ratio(sums[:, 0], sums[:, 1]))

    def rate(self, quantity: Literal["precision", "recall", "f1"], *, average: Average | None = None) -> Estimate:
        """A score of labels with an average.

        Args:
            quantity: The score.
            average: ``positive`` is the score of the second of two labels. The default is ``positive`` for two labels
                and ``macro`` for others, as in scripts that print a score without an average.
        """
        two = len(self.names) == 2
        chosen = average or ("positive" if two else "macro")
        seen = are_seen(self.totals[2:].reshape(1, -1, 3))

        def score(sums: FloatArray) -> FloatArray:
            counts = sums[:, 2:].reshape(len(sums), -1, 3)
            if chosen == "weighted":
                each: FloatArray = getattr(rates_of(counts), quantity)
                return ratio((each * counts[..., GOLD]).sum(axis=-1), counts[..., GOLD].sum(axis=-1))
            rates: Rates
            if chosen == "positive":
                rates = rates_of(counts[:, min(1, counts.shape[1] - 1)])
            else:
                rates = micro_rates(counts) if chosen == "micro" else macro_rates(counts, among=seen)
            return np.asarray(getattr(rates, quantity), np.float64)

        return self._estimate(score)

    def _estimate(self, score: Callable[[FloatArray], FloatArray]) -> Estimate:
        value = float(score(self.totals[None])[0])
        if not len(self.drawn):
            return Estimate(value)
        low, high = interval(score(self.drawn))
        return Estimate(value, float(low), float(high))


def score_classes(classifier: Classifier, examples: Iterable[Classified], *, sampling: Sampling) -> ClassScores:
    """Classify labelled texts, and count right labels. A label that the model does not know counts as missed.

    Raises:
        DataError: If there are no texts.
        LabelError: If the head is for regression, or the model knows none of the labels.
    """
    given = list(examples)
    head = classifier.head
    if head.problem == "regression":
        raise LabelError(f"head {head.name}: gives numbers; expected one that gives classes to be scored")
    if not given:
        raise DataError("no texts; expected labelled texts to score on")
    names = tuple(dict.fromkeys([*head.labels, *(label for example in given for label in example.labels)]))
    if not set(head.labels) & {label for example in given for label in example.labels}:
        raise LabelError(f"the gold labels are {', '.join(names[len(head.labels) :])}; the model has none of them")
    texts = [example.text if example.pair is None else (example.text, example.pair) for example in given]
    predicted = _indicators([found.labels for found in classifier.stream(texts, live=False)], names)
    gold = _indicators([example.labels for example in given], names)
    right = are_right(gold, predicted)
    columns = [right[:, None], np.ones((len(given), 1)), count_labels(gold, predicted).reshape(len(given), -1)]
    counts = np.concatenate(columns, axis=1).astype(np.float64)
    drawn = resample(counts, n_samples=sampling.n_samples, seed=sampling.seed)
    return ClassScores(names, counts.sum(axis=0), drawn)


def _indicators(labels: Sequence[Sequence[str]], names: Sequence[str]) -> BoolArray:
    """Whether each text has each label, ``[texts, labels]``."""
    return np.array([[name in found for name in names] for found in labels], np.bool_).reshape(-1, len(names))

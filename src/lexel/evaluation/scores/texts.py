"""Scores classes of texts, and answers to questions, against gold.

Scores are functions of counts per text, as those of ``run`` are of counts per document. Memory grows with the number of
texts only by these counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from lexel.data.classified import Classified
from lexel.data.questions import Question
from lexel.errors import DataError, LabelError
from lexel.evaluation.scores.mistakes import MOST_KEPT
from lexel.evaluation.scores.results import LossResult, Mistake
from lexel.evaluation.scores.tallies import Sampling, Sums
from lexel.metrics.answers import AnswerRule, best_null_threshold, choose_rule, score_answers
from lexel.metrics.calibration import Reliability, bin_scores, reliability_of
from lexel.metrics.classes import are_right, are_seen, count_confusion, count_labels, macro_rates, matthews
from lexel.metrics.classes import pearson as pearson_of
from lexel.metrics.classes import spearman as spearman_of
from lexel.metrics.resampling import FloatArray, interval
from lexel.metrics.scores import Estimate, SpanScore
from lexel.metrics.tags import Confusion
from lexel.tasks.answer import Answerer, Answers
from lexel.tasks.classify import Classification, Classifier
from lexel.tasks.with_inputs import with_inputs

_SHOWN_CHARS = 120
_RULE_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of classes; for regression, only the last two.

    Attributes:
        problem: ``single`` (one class per text), ``multi`` (any number of labels) or ``regression``.
        accuracy: Share of texts with exactly the right labels.
        micro: Precision, recall and F1 over all labels together.
        macro: Mean precision, recall and F1 over the labels that occur.
        by_label: Scores of each label, the most frequent first.
        matthews: Matthews correlation, for one class per text.
        confusion: Confusion matrix, for one class per text.
        reliability: Reliability of the scores of assigned classes.
        loss: The loss of the gold classes, for one class per text.
        pearson: Correlation of numbers.
        spearman: Correlation of their ranks.
    """

    problem: str
    accuracy: Estimate | None = None
    micro: SpanScore | None = None
    macro: tuple[Estimate, Estimate, Estimate] | None = None
    by_label: dict[str, SpanScore] = field(default_factory=dict)
    matthews: Estimate | None = None
    confusion: Confusion | None = None
    reliability: Reliability | None = None
    loss: LossResult | None = None
    pearson: Estimate | None = None
    spearman: Estimate | None = None


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Scores of answers.

    Attributes:
        rule: ``words`` (SQuAD's) or ``chars`` (CMRC's); see ``lexel.metrics.answers``.
        exact: Share of the questions whose answer is an exact match.
        f1: Mean F1 of the overlap between answers and gold answers.
        n_answerable: Questions that their context answers.
        answerable: Exact match and F1 of these; ``None`` if there are none.
        unanswerable: Share of the other questions that are left unanswered; ``None`` if there are none.
        best_threshold: The null threshold with the best F1 on these questions, and that F1, if some have an answer and
            some have none. It is chosen on the scored data, so it is too optimistic. ``None`` if leaving every question
            unanswered scores best.
    """

    rule: AnswerRule
    exact: Estimate
    f1: Estimate
    n_answerable: int
    answerable: tuple[Estimate, Estimate] | None
    unanswerable: Estimate | None
    best_threshold: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class TextResults:
    """All results; either ``classes`` or ``answers`` is set."""

    n_documents: int
    n_chars: int
    seconds: float
    classes: ClassScores | None
    answers: AnswerScores | None
    notes: list[str]
    mistakes: list[Mistake] = field(repr=False)
    n_mistakes: int


# Classes -------------------------------------------------------------------------------------------------------------


def evaluate_classifier(
    classifier: Classifier, examples: Iterable[Classified], *, sampling: Sampling | None = None
) -> TextResults:
    """Classify labelled texts, and score the predictions.

    Args:
        classifier: The model.
        examples: Texts, or pairs, with their classes.
        sampling: How intervals are computed.

    Raises:
        LabelError: If none of the gold classes is one of the model's.
        DataError: If there are no texts, or a text has no class, or several classes where the model gives one.
    """
    began, tally = perf_counter(), _ClassTally(classifier)
    for example, found in with_inputs(examples, lambda texts: classifier.stream(map(_text_of, texts), live=False)):
        tally.add(example, found)
    return tally.results(sampling or Sampling(), seconds=perf_counter() - began)


def _text_of(example: Classified) -> str | tuple[str, str]:
    return example.text if example.pair is None else (example.text, example.pair)


class _ClassTally:
    """Collects the classes of texts one by one."""

    def __init__(self, classifier: Classifier) -> None:
        head, multi = classifier.head, classifier.options.multi_label
        self._problem = head.problem or "single"
        if multi is not None and self._problem != "regression":
            self._problem = "multi" if multi else "single"
        self._names = list(head.labels)
        self._n_known = len(self._names)
        self._numbers = {name: i for i, name in enumerate(self._names)}
        self._gold: list[list[int]] = []
        self._found: list[list[int]] = []
        self._values: list[tuple[float, float]] = []
        self._scores: list[float] = []
        self._costs: list[float] = []
        self._mistakes: list[Mistake] = []
        self._n_mistakes = self._n_chars = 0

    def add(self, example: Classified, found: Classification) -> None:
        """Add a text."""
        self._n_chars += len(example.text) + len(example.pair or "")
        if self._problem == "regression":
            self._values.append((example.number, found.score))
            return
        if self._problem == "single" and len(example.labels) != 1:
            said = ", ".join(example.labels) or "no class"
            raise DataError(f"{example.where}: {said}; expected one class, as the model gives")
        self._gold.append([self._number(label) for label in example.labels])
        self._found.append([self._number(label) for label in found.labels])
        scores = dict(found.ranked)
        self._scores += [scores[label] for label in found.labels]
        if self._problem == "single" and example.labels[0] in scores:
            self._costs.append(-float(np.log(max(scores[example.labels[0]], np.finfo(np.float64).tiny))))
        if set(example.labels) != set(found.labels):
            self._note_mistake(example, found)

    def _number(self, label: str) -> int:
        if label not in self._numbers:
            self._numbers[label] = len(self._names)
            self._names.append(label)
        return self._numbers[label]

    def _note_mistake(self, example: Classified, found: Classification) -> None:
        self._n_mistakes += 1
        if self._n_mistakes > MOST_KEPT:
            return
        text = example.text if example.pair is None else f"{example.text} | {example.pair}"
        gold, predicted = (" | ".join(sorted(labels)) or "none" for labels in (example.labels, found.labels))
        shown, rest = text[:_SHOWN_CHARS], "…" if len(text) > _SHOWN_CHARS else ""
        kind = "wrong label" if self._problem == "single" else "other labels"
        name = example.id or example.where
        self._mistakes.append(Mistake("classes", kind, name, "", shown, rest, gold, predicted, len(text)))

    def results(self, sampling: Sampling, *, seconds: float) -> TextResults:
        """The scores."""
        n = len(self._gold) + len(self._values)
        if not n:
            raise DataError("no texts; expected labelled ones (--data)")
        scores = self._numeric(sampling) if self._problem == "regression" else self._classes(sampling)
        return TextResults(
            n, self._n_chars, seconds, scores, None, self._notes(), self._mistakes, n_mistakes=self._n_mistakes
        )

    def _notes(self) -> list[str]:
        unknown = self._names[self._n_known :]
        counts = {name: sum(self._numbers[name] in each for each in self._gold) for name in unknown}
        said = ", ".join(f"{name} ({n:,})" for name, n in counts.items())
        if unknown and not any(number < self._n_known for each in self._gold for number in each):
            known = ", ".join(self._names[: self._n_known])
            raise LabelError(f"classes: the gold classes are {said}; the model has {known}, none of them")
        return [f"the model does not know {said}; these count as missed"] if unknown else []

    def _classes(self, sampling: Sampling) -> ClassScores:
        gold, found = self._indicators(self._gold), self._indicators(self._found)
        counts, right, n_labels = count_labels(gold, found), are_right(gold, found), len(self._names)
        ones, among = np.ones((len(right), 1), np.int64), are_seen(counts)
        each = counts.reshape(len(counts), 3 * n_labels)
        sums = Sums(np.concatenate((right[:, None], ones, counts.sum(axis=1), each), axis=1), sampling)

        def macro(i: int) -> Estimate:
            return sums.estimate(
                lambda values: macro_rates(values[:, 5:].reshape(len(values), n_labels, 3), among=among)[i]
            )

        by_label = {name: sums.spans(5 + 3 * k) for k, name in enumerate(self._names) if among[k]}
        is_single = self._problem == "single"
        return ClassScores(
            problem=self._problem,
            accuracy=sums.share(0, 1),
            micro=sums.spans(2),
            macro=(macro(0), macro(1), macro(2)),
            by_label=dict(sorted(by_label.items(), key=lambda item: -item[1].n_gold)),
            matthews=self._matthews(sampling) if is_single else None,
            confusion=self._confusion() if is_single else None,
            reliability=self._reliability(),
            loss=self._loss(sampling) if is_single else None,
        )

    def _single(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The gold and the predicted class of each text, ``[texts]``, if each text has one class."""
        return np.array([each[0] for each in self._gold]), np.array([each[0] for each in self._found])

    def _confusion(self) -> Confusion:
        counts = count_confusion(*self._single(), n_labels=len(self._names))
        return Confusion(tuple(self._names), np.pad(counts, ((0, 1), (0, 1))).tolist())

    def _matthews(self, sampling: Sampling) -> Estimate:
        gold, found = self._single()
        n_labels = len(self._names)
        value = float(matthews(count_confusion(gold, found, n_labels=n_labels)))
        drawn = [count_confusion(gold[i], found[i], n_labels=n_labels) for i in _draws(len(gold), sampling)]
        return _estimate(value, matthews(np.stack(drawn)) if drawn else np.zeros(0))

    def _loss(self, sampling: Sampling) -> LossResult | None:
        if not self._costs:
            return None
        costs = np.stack((self._costs, np.ones(len(self._costs))), axis=1)
        return LossResult(Sums(costs, sampling).share(0, 1), len(self._costs), "texts")

    def _indicators(self, rows: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
        table = np.zeros((len(rows), len(self._names)), np.bool_)
        for i, labels in enumerate(rows):
            table[i, list(labels)] = True
        return table

    def _reliability(self) -> Reliability | None:
        if not self._scores:
            return None
        correct = [label in gold for gold, found in zip(self._gold, self._found, strict=True) for label in found]
        return reliability_of(bin_scores(np.clip(self._scores, 0, 1), np.array(correct)))

    def _numeric(self, sampling: Sampling) -> ClassScores:
        gold, found = np.array(self._values).T
        drawn = _draws(len(gold), sampling)
        pearson, spearman = (
            _estimate(score(gold, found), np.array([score(gold[i], found[i]) for i in drawn]))
            for score in (pearson_of, spearman_of)
        )
        return ClassScores(self._problem, pearson=pearson, spearman=spearman)


def _draws(n_items: int, sampling: Sampling) -> list[NDArray[np.int64]]:
    """The items of each bootstrap sample, the same as ``resample`` draws."""
    random = np.random.default_rng(sampling.seed)
    return [random.integers(n_items, size=n_items) for _ in range(sampling.n_samples)]


def _estimate(value: float, drawn: FloatArray) -> Estimate:
    if not len(drawn):
        return Estimate(value)
    low, high = interval(drawn)
    return Estimate(value, float(low), float(high))


# Answers -------------------------------------------------------------------------------------------------------------


def evaluate_answerer(
    answerer: Answerer, questions: Iterable[Question], *, sampling: Sampling | None = None
) -> TextResults:
    """Answer questions, and score the answers by the rule of their language.

    Args:
        answerer: The model.
        questions: Questions with their contexts and right answers.
        sampling: How intervals are computed.

    Raises:
        DataError: If there are no questions.
    """
    began, sampling = perf_counter(), sampling or Sampling()
    given = iter(questions)
    first = list(islice(given, _RULE_SAMPLE))
    if not first:
        raise DataError("no questions; expected some with their answers (--data)")
    rule = choose_rule(question.context for question in first)
    tally = _AnswerTally(rule)

    def read(asked: Iterable[Question]) -> Iterator[Answers]:
        return answerer.stream(map(_question_of, asked), live=False)

    for question, found in with_inputs(chain(first, given), read):
        tally.add(question, found)
    return tally.results(
        sampling, seconds=perf_counter() - began, takes_null=answerer.options.null_threshold is not None
    )


def _question_of(question: Question) -> tuple[str, str]:
    return question.question, question.context


class _AnswerTally:
    """Collects the scores of answers one by one."""

    def __init__(self, rule: AnswerRule) -> None:
        self._rule = rule
        self._scores: list[tuple[float, float, float]] = []
        self._nulls: list[tuple[float, float]] = []
        self._mistakes: list[Mistake] = []
        self._n_mistakes = self._n_chars = 0

    def add(self, question: Question, found: Answers) -> None:
        """Score the answer to a question."""
        answer = "" if found.best is None else found.best.text
        scores = score_answers([question.answer_texts], [answer], rule=self._rule)
        exact, f1 = float(scores.exact[0]), float(scores.f1[0])
        self._scores.append((exact, f1, float(bool(question.answers))))
        self._nulls.append((found.null_margin, self._f1_if_given(question, found)))
        self._n_chars += len(question.context)
        if not exact:
            self._n_mistakes += 1
            if self._n_mistakes <= MOST_KEPT:
                kind = "nothing in common" if not f1 else "in part"
                gold = " | ".join(dict.fromkeys(question.answer_texts)) or "none"
                name = question.id or question.where
                self._mistakes.append(
                    Mistake(
                        "answers", kind, name, "", question.question, "", gold, answer or "none", len(question.context)
                    )
                )

    def _f1_if_given(self, question: Question, found: Answers) -> float:
        """F1 of the best span, even if the null answer won."""
        span = found.answers[0].text if found.answers else ""
        return float(score_answers([question.answer_texts], [span], rule=self._rule).f1[0])

    def _best_threshold(self, has_answer: NDArray[np.bool_]) -> tuple[float, float] | None:
        if has_answer.all() or not has_answer.any():
            return None
        margins, f1 = np.array(self._nulls).T
        threshold, best = best_null_threshold(margins, f1, has_answer)
        return (threshold, best) if np.isfinite(threshold) else None

    def results(self, sampling: Sampling, *, seconds: float, takes_null: bool) -> TextResults:
        """The scores."""
        table = np.array(self._scores)
        has_answer = table[:, 2] > 0
        n_without = int((~has_answer).sum())
        notes = []
        if n_without and not takes_null:
            notes.append(f"{n_without:,} questions have no answer, but the model was set to answer always")
        exact, f1 = _means(table[:, :2], sampling)
        scores = AnswerScores(
            rule=self._rule,
            exact=exact,
            f1=f1,
            n_answerable=int(has_answer.sum()),
            answerable=_means(table[has_answer, :2], sampling) if has_answer.any() else None,
            unanswerable=_means(table[~has_answer, :2], sampling)[0] if n_without else None,
            best_threshold=self._best_threshold(has_answer),
        )
        return TextResults(
            len(table), self._n_chars, seconds, None, scores, notes, self._mistakes, n_mistakes=self._n_mistakes
        )


def _means(table: FloatArray, sampling: Sampling) -> tuple[Estimate, Estimate]:
    """The mean exact match and F1 of questions ``[questions, 2]``."""
    sums = Sums(np.concatenate((table, np.ones((len(table), 1))), axis=1), sampling)
    return sums.share(0, 2), sums.share(1, 2)

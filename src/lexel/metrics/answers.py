"""Scores of answers that are spans of a context: exact match and F1, each for the best of the gold answers.

There are two rules, depending on the writing system:

**words** is SQuAD's (https://rajpurkar.github.io/SQuAD-explorer/). Case, ASCII punctuation, English articles and the
amount of whitespace do not matter; F1 is over the bag of words.

**chars** is that of CMRC 2018 (https://github.com/ymcui/cmrc2018), for Chinese, with kana treated like Han characters.
Case and a list of signs do not matter. F1 is over single characters, and the overlap is the longest common *substring*.
Text in other scripts counts by words and signs; the original script splits it with NLTK.

The gold answer of an unanswerable question is empty, and an empty answer is right only for these, as in SQuAD 2.0.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lexel.metrics.scores import FloatArray

AnswerRule = Literal["words", "chars"]
ANSWER_RULES: tuple[AnswerRule, ...] = get_args(AnswerRule)

_SPACELESS = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_CHARACTER = re.compile(f"[{_SPACELESS}]")
_LETTER = re.compile(r"[^\W\d_]")
_UNIT = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+|[^\w\s]")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SIGNS = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
"""CMRC's list; its ``……`` has two characters, and so is never removed."""


class AnswerScores(NamedTuple):
    """Scores of each question, from 0 to 1.

    Attributes:
        exact: 1 if the answer equals a gold answer, ``[questions]``.
        f1: Overlap with the most similar gold answer, ``[questions]``.
    """

    exact: FloatArray
    f1: FloatArray


def choose_rule(texts: Iterable[str]) -> AnswerRule:
    """The rule for the language of these texts: ``chars`` if most letters are Han characters or kana."""
    n_letters = n_characters = 0
    for text in texts:
        n_letters += len(_LETTER.findall(text))
        n_characters += len(_CHARACTER.findall(text))
    return "chars" if 2 * n_characters > n_letters else "words"


def score_answers(gold: Sequence[Sequence[str]], predicted: Sequence[str], *, rule: AnswerRule) -> AnswerScores:
    """Score the answer to each question.

    Args:
        gold: The gold answers of each question; empty if its context does not answer it.
        predicted: The predicted answer; empty for none.
        rule: ``words`` or ``chars``.

    Raises:
        ValueError: If their numbers differ, or the rule is unknown.
    """
    if rule not in ANSWER_RULES:
        raise ValueError(f"rule is {rule!r}; expected one of {', '.join(ANSWER_RULES)}")
    if len(gold) != len(predicted):
        raise ValueError(f"{len(predicted)} answers to {len(gold)} questions; expected one each")
    score = _score_words if rule == "words" else _score_characters
    scores = [
        [max(pair) for pair in zip(*(score(right, answer) for right in _solid(answers, rule)), strict=True)]
        for answers, answer in zip(gold, predicted, strict=True)
    ]
    exact, f1 = np.array(scores, np.float64).reshape(-1, 2).T
    return AnswerScores(exact, f1)


def normalise(answer: str, *, rule: AnswerRule) -> str:
    """An answer in the normal form of the rule."""
    if rule == "chars":
        return answer.lower().strip().translate(_SIGNS)
    return " ".join(_ARTICLE.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def _solid(answers: Sequence[str], rule: AnswerRule) -> Sequence[str]:
    """The gold answers that are not empty after normalisation; one empty answer if there are none."""
    return [answer for answer in answers if normalise(answer, rule=rule)] or [""]


def _score_words(gold: str, predicted: str) -> tuple[float, float]:
    gold, predicted = (normalise(answer, rule="words") for answer in (gold, predicted))
    gold_words, predicted_words = gold.split(), predicted.split()
    n_common = sum((Counter(gold_words) & Counter(predicted_words)).values())
    return float(gold == predicted), _f1(n_common, len(gold_words), len(predicted_words))


def _score_characters(gold: str, predicted: str) -> tuple[float, float]:
    gold, predicted = (normalise(answer, rule="chars") for answer in (gold, predicted))
    gold_units, predicted_units = _UNIT.findall(gold), _UNIT.findall(predicted)
    n_common = _longest_common(gold_units, predicted_units)
    return float(gold == predicted), _f1(n_common, len(gold_units), len(predicted_units))


def _f1(n_common: int, n_gold: int, n_predicted: int) -> float:
    return 2 * n_common / (n_gold + n_predicted) if n_gold and n_predicted else float(n_gold == n_predicted)


def _longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common substring."""
    others = np.array(right, dtype=object)
    runs, longest = np.zeros(len(right) + 1, np.int64), 0
    for unit in left:  # runs[j + 1]: the length of the common substring that ends at this unit and right[j]
        runs[1:] = np.where(others == unit, runs[:-1] + 1, 0)
        longest = max(longest, int(runs.max()))
    return longest


def best_null_threshold(
    margins: NDArray[np.floating], scores: NDArray[np.floating], answerable: NDArray[np.bool_]
) -> tuple[float, float]:
    """The threshold that gives the best mean score: a question whose margin is above it is left unanswered.

    SQuAD 2.0's search for the best threshold, over every margin and the threshold below all of them.

    Args:
        margins: The null answer's score minus the best answer's, ``[questions]``.
        scores: The score of each best answer if it is returned, ``[questions]``.
        answerable: Whether the context answers the question, ``[questions]``.

    Returns:
        The threshold (the lowest of equally good ones), and the mean score with it; ``-inf`` answers nothing.
    """
    if not len(margins):
        return -np.inf, 0.0
    order = np.argsort(margins, kind="stable")
    gains = np.where(answerable, scores, scores - 1.0)[order]  # an unanswerable question left unanswered scores 1
    totals = (~answerable).sum() + np.concatenate(([0.0], np.cumsum(gains)))
    ordered = np.asarray(margins, np.float64)[order]
    reachable = np.append(True, np.append(ordered[1:] > ordered[:-1], True))  # equal margins are treated together
    best = int(np.argmax(np.where(reachable, totals, -np.inf)))
    return (-np.inf if best == 0 else float(ordered[best - 1])), float(totals[best] / len(margins))

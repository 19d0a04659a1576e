"""Exact match and F1 of answers, against the rules of the official scorers written out plainly."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.metrics.answers import AnswerRule, best_null_threshold, choose_rule, score_answers

ENGLISH = st.lists(
    st.sampled_from(["the", "a", "An", "cat", "cats", "U.S.", "2,000", "-", " ", "\n", "dog", "'s", "DOG"]), max_size=6
).map(" ".join)
CHINESE = st.text(st.sampled_from("北京大学，。、A1b 2·…"), max_size=8)


def squad(gold: str, predicted: str) -> tuple[float, float]:
    """SQuAD's rule: lower, without punctuation, without articles, words by whitespace."""

    def words(text: str) -> list[str]:
        kept = "".join(char for char in text.lower() if char not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", kept).split()

    right, found = words(gold), words(predicted)
    if not right or not found:
        return float(right == found), float(right == found)
    left, common = Counter(right), 0
    for word in found:
        if left[word] > 0:
            left[word] -= 1
            common += 1
    if not common:
        return 0.0, 0.0
    precision, recall = common / len(found), common / len(right)
    return float(right == found), 2 * precision * recall / (precision + recall)


def cmrc(gold: str, predicted: str) -> tuple[float, float]:
    """CMRC's rule: lower, without its signs, Han characters one by one, the longest common substring."""
    signs = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"

    def kept(text: str) -> str:
        return "".join(char for char in text.lower().strip() if char not in signs)

    def units(text: str) -> list[str]:
        return re.findall(r"[\u4e00-\u9fa5]|[^\W\u4e00-\u9fa5]+|[^\w\s]", kept(text))

    right, found = units(gold), units(predicted)
    exact = float(kept(gold) == kept(predicted))
    if not right or not found:
        return exact, float(right == found)
    common = max(
        (n for n in range(1, len(right) + 1) for i in range(len(right)) for j in range(len(found))
         if i + n <= len(right) and right[i : i + n] == found[j : j + n]),
        default=0,
    )  # fmt: skip
    if not common:
        return exact, 0.0
    precision, recall = common / len(found), common / len(right)
    return exact, 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize(
    ("rule", "gold", "predicted", "exact", "f1"),
    [
        ("words", ["the Cat."], "cat", 1, 1),
        ("words", ["black cat", "cat"], "a white cat", 0, 2 / 3),
        ("words", [], "", 1, 1),
        ("words", [], "cat", 0, 0),
        ("words", ["cat"], "", 0, 0),
        ("words", ["北京大学"], "北京", 0, 0),
        ("chars", ["北京大学"], "北京", 0, 2 / 3),
        ("chars", ["北京大学"], "《北京大学》。", 1, 1),
        ("chars", ["北京大学"], "北大", 0, 2 / 6),  # a substring: 北 or 大, not both
        ("chars", ["用 GPU 2 块"], "gpu", 0, 2 / 5),
        ("chars", [], "", 1, 1),
    ],
)
def test_an_answer_is_scored_by_the_rule(
    rule: AnswerRule, gold: list[str], predicted: str, exact: float, f1: float
) -> None:
    scores = score_answers([gold], [predicted], rule=rule)
    assert scores.exact.tolist() == [exact]
    assert scores.f1.tolist() == pytest.approx([f1])


@given(gold=ENGLISH, predicted=ENGLISH)
def test_words_are_scored_as_squad_does(gold: str, predicted: str) -> None:
    scores = score_answers([[gold]], [predicted], rule="words")
    assert (scores.exact[0], scores.f1[0]) == pytest.approx(squad(gold, predicted))


@given(gold=CHINESE.filter(str.strip), predicted=CHINESE)
def test_characters_are_scored_as_cmrc_does(gold: str, predicted: str) -> None:
    scores = score_answers([[gold]], [predicted], rule="chars")
    assert (scores.exact[0], scores.f1[0]) == pytest.approx(cmrc(gold, predicted))


def test_of_several_right_answers_each_score_is_of_the_best() -> None:
    scores = score_answers([["cat dog", "dog"], ["the", "x"]], ["dog", "x"], rule="words")
    assert scores.exact.tolist() == [1, 1]
    assert scores.f1.tolist() == [1, 1]


def test_no_questions_have_no_scores() -> None:
    scores = score_answers([], [], rule="chars")
    assert len(scores.exact) == len(scores.f1) == 0


def test_answers_to_other_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="1 answers to 2 questions"):
        score_answers([[], []], [""], rule="words")


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        (["他在北京。"], "chars"),
        (["He is in Beijing (北京)."], "words"),
        (["東京タワーに行きました"], "chars"),
        (["한국어 문장"], "words"),
        (["", "1999"], "words"),
    ],
)
def test_the_rule_follows_the_writing(texts: list[str], rule: str) -> None:
    assert choose_rule(texts) == rule


# The threshold for no answer -----------------------------------------------------------------------------------------


def mean_score(threshold: float, margins: list[float], scores: list[float], answerable: list[bool]) -> float:
    """What is scored if questions whose margin is above the threshold are left unanswered."""
    each = [
        (score if is_answerable else 0.0) if margin <= threshold else float(not is_answerable)
        for margin, score, is_answerable in zip(margins, scores, answerable, strict=True)
    ]
    return float(np.mean(each))


ROWS = st.lists(
    st.tuples(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0]), st.sampled_from([0.0, 0.5, 1.0]), st.booleans()),
    min_size=1,
    max_size=8,
)


@given(rows=ROWS)
def test_no_threshold_scores_better_than_the_best(rows: list[tuple[float, float, bool]]) -> None:
    margins, scores, answerable = (list(column) for column in zip(*rows, strict=True))
    scores = [score if is_answerable else 0.0 for score, is_answerable in zip(scores, answerable, strict=True)]
    threshold, best = best_null_threshold(np.array(margins), np.array(scores), np.array(answerable))
    assert best == pytest.approx(mean_score(threshold, margins, scores, answerable))
    for other in (-np.inf, *margins, np.inf):
        assert mean_score(other, margins, scores, answerable) <= best + 1e-12


def test_of_nothing_the_best_threshold_answers_nothing() -> None:
    empty = np.empty(0)
    assert best_null_threshold(empty, empty, empty.astype(bool)) == (-np.inf, 0.0)

"""Word segmentation against naive scorers of the SIGHAN and CoNLL 2018 rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.metrics.spans import FlatSpans, count_spans, flat_spans
from lexel.metrics.words import are_known, count_known, without_space
from tests.metrics.naive import conll18_tokens, sighan_counts

Cut = tuple[str, list[bool], list[bool]]


@st.composite
def cut_texts(draw: st.DrawFn, alphabet: str = "我你他们ab") -> Cut:
    """A text, and where gold and prediction cut it."""
    text = draw(st.text(alphabet, max_size=30))
    cuts = st.lists(st.booleans(), min_size=len(text), max_size=len(text))
    return text, draw(cuts), draw(cuts)


def _words(text: str, cuts: list[bool]) -> list[str]:
    words: list[str] = []
    for char, cut in zip(text, cuts, strict=True):
        if cut or not words:
            words.append(char)
        else:
            words[-1] += char
    return words


def _flat(texts: list[list[str]], *, through: bool = False) -> FlatSpans:
    """Spans of segmented texts, counted in each document or through all of them."""
    document, start, end = [], [], []
    at = 0
    for i, words in enumerate(texts):
        at = at if through else 0
        for word in words:
            document.append(i)
            start.append(at)
            at += len(word)
            end.append(at)
    return flat_spans(document, start, end)


@given(st.lists(cut_texts(), max_size=5), st.sets(st.text("我你他们ab", min_size=1, max_size=2)))
def test_words_are_counted_by_the_sighan_rules(texts: list[Cut], vocabulary: set[str]) -> None:
    gold = [_words(text, cuts) for text, cuts, _ in texts]
    predicted = [_words(text, cuts) for text, _, cuts in texts]
    spans = _flat(gold), _flat(predicted)
    known = are_known([word for words in gold for word in words], vocabulary)
    counts = count_spans(*spans, n_documents=len(texts))[:, 0]
    by_kind = count_known(*spans, known=known, n_documents=len(texts))
    expected = [sighan_counts(*pair, vocabulary) for pair in zip(gold, predicted, strict=True)]
    assert [[*a, *b] for a, b in zip(counts.tolist(), by_kind.reshape(-1, 4).tolist(), strict=True)] == expected


@given(st.lists(cut_texts("ab \u3000\t我"), max_size=5))
def test_tokens_are_counted_by_the_rule_of_conll_2018(texts: list[Cut]) -> None:
    gold = [_words(text, cuts) for text, cuts, _ in texts]
    predicted = [_words(text, cuts) for text, _, cuts in texts]
    space = np.array([char.isspace() for text, _, _ in texts for char in text], np.bool_)
    spans = [without_space(_flat(words, through=True), space) for words in (gold, predicted)]
    totals = count_spans(*spans, n_documents=len(texts)).sum(axis=(0, 1)).tolist()
    flat = [[word for words in part for word in words] for part in (gold, predicted)]
    # the naive scorer lets a word cross documents no more than the texts' own ends do
    assert tuple(totals) == tuple(
        np.sum([conll18_tokens(a, b) for a, b in zip(gold, predicted, strict=True)] or [[0, 0, 0]], axis=0)
    )
    assert tuple(totals[:2]) == conll18_tokens(*flat)[:2]


def test_whitespace_inside_a_word_counts_in_one_score_and_not_in_the_other() -> None:
    space = np.array([False, True, False])
    gold, predicted = flat_spans([0], [0], [3]), flat_spans([0], [0], [3])
    wider = flat_spans([0, 0], [0, 2], [2, 3])
    assert count_spans(gold, predicted, n_documents=1).tolist() == [[[1, 1, 1]]]
    tokens = [without_space(words, space) for words in (flat_spans([0, 0], [0, 2], [1, 3]), wider)]
    assert count_spans(*tokens, n_documents=1).tolist() == [[[2, 2, 2]]]


def test_a_million_words_are_scored_in_one_go() -> None:
    ends = np.cumsum(np.random.default_rng(0).integers(1, 4, 1_000_000))
    gold = flat_spans(np.arange(1_000_000) // 25, ends - 1, ends)
    counts = count_spans(gold, gold, n_documents=40_000)
    assert counts.sum(axis=(0, 1)).tolist() == [1_000_000] * 3


@pytest.mark.parametrize(("words", "vocabulary", "known"), [([], {"a"}, []), (["a", "b"], {"a"}, [True, False])])
def test_a_word_is_known_if_the_vocabulary_has_it(words: list[str], vocabulary: set[str], known: list[bool]) -> None:
    assert are_known(words, vocabulary).tolist() == known

"""The search for the best spans, against all spans looked at one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexel.decoding.answers import WindowScores, band_of, join_windows, log_total, rule_out, take_best

NUMBERS = st.floats(-8, 8, width=32)


def arrays(n: int) -> st.SearchStrategy[NDArray[np.float32]]:
    return st.lists(st.tuples(NUMBERS, NUMBERS), min_size=n, max_size=n).map(
        lambda rows: np.array(rows, np.float32).reshape(-1, 2)
    )


SCORES = st.integers(1, 9).flatmap(arrays)


def spans(n: int, longest: int) -> list[tuple[int, int]]:
    return [(i, j) for i, j in itertools.combinations(range(n + 1), 2) if j - i <= longest]


@given(scores=SCORES, longest=st.integers(1, 12))
def test_a_band_holds_every_span_once(scores: NDArray[np.float32], longest: int) -> None:
    band = band_of(scores, longest=longest)
    n = len(scores)
    assert band.shape == (n, longest)
    for i in range(n):
        for k in range(longest):
            expected = scores[i, 0] + scores[i + k, 1] if i + k < n else -np.inf
            assert band[i, k] == expected


@given(scores=SCORES, longest=st.integers(1, 6), cut=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_a_span_in_two_windows_has_its_better_score(
    scores: NDArray[np.float32], longest: int, cut: tuple[int, int]
) -> None:
    n = len(scores)
    low, high = sorted(min(edge, n) for edge in cut)
    windows = [WindowScores(0, scores[:high]), WindowScores(low, scores[low:] + np.float32(0.5))]
    band = join_windows(windows, n_pieces=n, longest=longest)
    for i, j in spans(n, longest):
        score = float(scores[i, 0] + scores[j - 1, 1])
        whole = [score] * (j <= high) + [score + 1.0] * (i >= low)
        assert band[i, j - i - 1] == pytest.approx(max(whole, default=-np.inf), abs=1e-5)


def test_spans_without_characters_or_with_too_many_are_ruled_out() -> None:
    starts, ends = np.array([0, 2, 2, 3], np.int32), np.array([2, 2, 3, 6], np.int32)  # the second piece is empty
    band = np.zeros((4, 3), np.float32)
    rule_out(band, starts, ends, max_chars=3)
    kept = {(i, i + k + 1) for i, k in zip(*np.nonzero(band > -np.inf), strict=True)}
    assert kept == {(0, 1), (0, 2), (0, 3), (1, 3), (2, 3), (3, 4)}


@given(scores=SCORES, longest=st.integers(1, 12), null=NUMBERS)
def test_probabilities_are_relative_to_all_spans_and_the_null_answer(
    scores: NDArray[np.float32], longest: int, null: float
) -> None:
    total = log_total(band_of(scores, longest=longest), null)
    every = [float(scores[i, 0]) + float(scores[j - 1, 1]) for i, j in spans(len(scores), longest)]
    assert total == pytest.approx(np.logaddexp.reduce([null, *every]), abs=1e-4)


@given(scores=SCORES, longest=st.integers(1, 6), n=st.integers(1, 6))
def test_the_best_spans_are_those_that_taking_turns_finds(scores: NDArray[np.float32], longest: int, n: int) -> None:
    score_of = {(i, j): float(scores[i, 0] + scores[j - 1, 1]) for i, j in spans(len(scores), longest)}
    left = sorted(score_of, key=lambda span: -score_of[span])
    expected: list[float] = []
    taken: list[tuple[int, int]] = []
    for i, j in left:
        if len(taken) < n and all(j <= a or b <= i for a, b in taken):
            taken.append((i, j))
            expected.append(score_of[i, j])
    found = take_best(band_of(scores, longest=longest), n=n, reach=lambda first, end: (first, end))
    assert [score for _, _, score in found[:1]] == pytest.approx(expected[:1])
    for (i, j, _), (a, b, _) in itertools.combinations(found, 2):
        assert j <= a or b <= i
    if len(set(score_of.values())) == len(score_of):  # no ties: the very same
        assert [(i, j) for i, j, _ in found] == taken


def test_what_an_answer_reaches_is_taken_with_it() -> None:
    scores = np.array([[0, 0], [5, 5], [4, 4], [0, 0], [3, 3]], np.float32)
    found = take_best(band_of(scores, longest=1), n=5, reach=lambda first, end: (first - 1, min(end + 1, 5)))
    assert [(first, end) for first, end, _ in found] == [(1, 2), (4, 5)]


def test_of_no_pieces_nothing_is_found() -> None:
    band = join_windows([WindowScores(0, np.empty((0, 2), np.float32))], n_pieces=0, longest=1)
    assert take_best(band, n=3, reach=lambda first, end: (first, end)) == []
    assert log_total(band, 2.5) == 2.5

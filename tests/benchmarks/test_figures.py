"""How the benchmark reckons: medians, verdicts, useful work, and words from peers' pieces."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from benchmarks.ceiling import useful_flop
from benchmarks.measure import Series, fastest, in_turns
from benchmarks.models import BASE
from benchmarks.peers import choose
from benchmarks.readers import join_pieces
from benchmarks.report import Bar, shown, shown_bar
from benchmarks.texts import all_sentences, long_text, sentences, texts_of_length


def test_a_series_gives_its_median_and_its_ends() -> None:
    series = Series((3.0, 1.0, 2.0))
    assert (series.median, series.low, series.high) == (2.0, 1.0, 3.0)


def test_contestants_take_turns() -> None:
    order: list[str] = []
    in_turns({name: lambda name=name: order.append(name) for name in "ab"}, repetitions=2, what="order")
    assert order == ["a", "b", "a", "b"]


def test_the_fastest_setting_is_chosen() -> None:
    def counting(n: int) -> int:
        return sum(range(n))

    makers = {name: lambda n=n: lambda texts: counting(n) for name, n in (("slow", 3_000_000), ("quick", 10))}
    assert fastest(makers, ["text"], who="somebody")[0] == "quick"


@pytest.mark.parametrize(("compiles", "warm_up"), [(False, 8), (True, 20)])
def test_only_who_compiles_for_shapes_reads_the_whole_trial_to_warm_up(compiles: bool, warm_up: int) -> None:
    read: list[int] = []

    def count(texts: Iterable[str]) -> int:
        read.append(len(list(texts)))
        return read[-1]

    peer = choose("somebody", {"only": lambda: count}, ["text"] * 20, compiles=compiles)
    assert read == [warm_up, 20]
    assert peer.note == "somebody: only, the best of 1 settings on 20 texts"


@pytest.mark.parametrize(
    ("value", "like", "said"),
    [(4451.2, None, "4,451"), (-0.5821, None, "-0.582"), (9.87, 101.0, "10"), (12.34, None, "12.3")],
)
def test_numbers_are_shown_with_three_digits_that_mean_something(value: float, like: float | None, said: str) -> None:
    assert shown(value, like=like) == said


@pytest.mark.parametrize(("bar", "said"), [(10_000_000, "≥ 10,000,000x"), (1.15, "≥ 1.15x")])
def test_bars_are_shown_in_full(bar: float, said: str) -> None:
    assert shown_bar(Bar("figure", bar, None)) == said


@pytest.mark.parametrize(
    ("value", "at_most", "met"), [(2.0, False, True), (0.9, False, False), (0.9, True, True), (2.0, True, False)]
)
def test_a_bar_says_whether_it_is_met(value: float, at_most: bool, met: bool) -> None:
    assert Bar("figure", 1.0, value, at_most=at_most).is_met is met


def test_a_bar_that_could_not_be_measured_is_neither_met_nor_missed() -> None:
    assert Bar("figure", 1.0, None).is_met is None


def test_useful_work_counts_each_sequence_at_its_own_length() -> None:
    dense = 12 * 24 * 768 * 768
    assert useful_flop(BASE, [10, 30]) == 40 * dense + 12 * 4 * 768 * (10 * 10 + 30 * 30)


def test_peers_pieces_are_joined_into_words_and_special_ones_left_out() -> None:
    spans = [(0, 0), (0, 1), (1, 2), (2, 3), (0, 0)]
    assert list(join_pieces("今天去", spans, "BBIBB")) == [("今天", "B"), ("去", "B")]


def test_a_word_that_begins_with_i_is_still_a_word() -> None:
    assert list(join_pieces("今天", [(0, 1), (1, 2)], "II")) == [("今天", "I")]


def test_sentences_begin_again_where_there_are_no_more() -> None:
    n = len(all_sentences())
    assert list(sentences(n + 1))[-1] == all_sentences()[0]


def test_the_long_text_has_the_length_asked_for() -> None:
    assert len(long_text(5_000)) == 5_000


def test_texts_of_one_length_hold_the_characters_asked_for() -> None:
    texts = texts_of_length(125, n_chars=4_000)
    assert {len(text) for text in texts} == {125}
    assert "".join(texts) == long_text(4_000)

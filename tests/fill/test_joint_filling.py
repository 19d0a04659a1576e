"""Masks decided together give what brute force over all fillings gives, on a model of a few pieces."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import get_args

import numpy as np
import pytest

from lexel.decoding.masks import (
    OPEN,
    Answer,
    Hypothesis,
    Layout,
    Order,
    Query,
    Rank,
    Ranking,
    Search,
    first_slots,
    layouts_of,
    run_together,
    score_fillings,
    search_fillings,
)
from lexel.decoding.vocabulary import log_normalisers, top_pieces

N_PIECES = 5
BEGINS, CONTINUES = np.array([True, True, True, False, False]), np.array([True, False, True, True, False])
LENGTHS = [(1, 3), (2, 2)]
PENALTY = 0.7
ORDERS, RANKS = get_args(Order), get_args(Rank)
State = tuple[Layout, tuple[int, ...]]


def log_probs(state: State) -> np.ndarray:
    """A model without weights: log-probabilities at every slot, drawn by what is filled, ``[slots, pieces]``."""
    layout, pieces = state
    seed = [7, *layout, 99, *(piece + 1 for piece in pieces)]
    scores = np.random.default_rng(seed).normal(size=(len(pieces), N_PIECES)) * 2
    return scores - log_normalisers(scores)[:, None]


def allowed(layout: Layout) -> np.ndarray:
    return np.where(first_slots(layout)[:, None], BEGINS, CONTINUES)


def answer(asked: list[tuple[int, Query]]) -> list[Answer]:
    return [_answer(query) for _, query in asked]


def _answer(query: Query) -> Answer:
    slots = list(query.slots)
    assert all(query.reached.pieces[slot] == OPEN for slot in slots)
    found = log_probs(query.reached.state)[slots]
    ids, best = top_pieces(np.where(allowed(query.reached.layout)[slots], found, -np.inf), query.top)
    return Answer(ids, best, np.take_along_axis(found, query.wanted, axis=1))


def run(search: Search) -> list[Hypothesis]:
    return run_together([search], answer)[0]


def all_fillings(layouts: list[Layout]) -> list[Hypothesis]:
    """Every filling of allowed pieces."""
    return [
        Hypothesis(layout, pieces)
        for layout in layouts
        for pieces in product(*(np.flatnonzero(row).tolist() for row in allowed(layout)))
    ]


def chain_by_hand(filling: Hypothesis, order: Order) -> float:
    """The chain's log-probability, straight from its definition."""
    reached, total = [OPEN] * len(filling.pieces), 0.0
    while OPEN in reached:
        found = log_probs((filling.layout, tuple(reached)))
        still = [slot for slot, piece in enumerate(reached) if piece == OPEN]
        best = np.where(allowed(filling.layout), found, -np.inf).max(axis=1)
        slot = still[0] if order == "left" else max(still, key=lambda slot: best[slot])
        reached[slot] = filling.pieces[slot]
        total += found[slot, reached[slot]]
    return float(total)


def pll_by_hand(filling: Hypothesis) -> float:
    """The pseudo-log-likelihood, straight from its definition."""
    pieces = filling.pieces
    states = [(*pieces[:slot], OPEN, *pieces[slot + 1 :]) for slot in range(len(pieces))]
    return sum(float(log_probs((filling.layout, state))[slot, pieces[slot]]) for slot, state in enumerate(states))


def score_by_hand(filling: Hypothesis, order: Order, rank: Rank) -> float:
    total = chain_by_hand(filling, order) if rank == "chain" else pll_by_hand(filling)
    return total / len(filling.pieces) ** PENALTY


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_beam_of_full_width_ranks_all_fillings_as_brute_force_does(order: Order, rank: Rank) -> None:
    layouts = layouts_of(LENGTHS)
    everything = all_fillings(layouts)
    found = run(search_fillings(layouts, beam=len(everything), ranking=Ranking(order, rank, PENALTY)))
    expected = {filling.state: score_by_hand(filling, order, rank) for filling in everything}
    assert len(everything) == len(found) == (3 + 3**2 + 3**3) * 3**2
    assert {one.state: one.score for one in found} == pytest.approx(expected)
    assert [one.state for one in found] == sorted(expected, key=lambda state: -expected[state])
    chains = {filling.state: chain_by_hand(filling, order) for filling in everything}
    assert {one.state: one.log_prob for one in found} == pytest.approx(chains)


@pytest.mark.parametrize("order", ORDERS)
def test_the_chain_gives_all_fillings_of_a_layout_a_probability_of_one(order: Order) -> None:
    goals = [Hypothesis((2, 1), pieces) for pieces in product(range(N_PIECES), repeat=3)]
    found = run(score_fillings(goals, ranking=Ranking(order)))
    assert sum(math.exp(one.log_prob) for one in found) == pytest.approx(1)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("order", ORDERS)
def test_fillings_that_are_known_get_the_score_that_the_search_gives(order: Order, rank: Rank) -> None:
    layouts = layouts_of(LENGTHS)
    everything = all_fillings(layouts)
    searched = run(search_fillings(layouts, beam=len(everything), ranking=Ranking(order, rank, PENALTY)))
    known = run(score_fillings(everything[::-1], ranking=Ranking(order, rank, PENALTY)))
    assert [one.state for one in known] == [one.state for one in searched]
    assert [one.score for one in known] == pytest.approx([one.score for one in searched])


def test_orders_differ() -> None:
    goals = all_fillings([(3,)])
    left, certain = (
        {one.state: one.log_prob for one in run(score_fillings(goals, ranking=Ranking(order)))} for order in ORDERS
    )
    assert left != pytest.approx(certain)


def test_a_beam_keeps_no_more_than_its_width_of_each_layout() -> None:
    found = run(search_fillings(layouts_of([(1, 3)]), beam=2, ranking=Ranking()))
    assert sorted(len(one.pieces) for one in found) == [1, 1, 2, 2, 3, 3]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_fillings_that_begin_alike_share_their_queries() -> None:
    asked: list[int] = []

    def counting(queries: list[tuple[int, Query]]) -> list[Answer]:
        asked.append(len(queries))
        return answer(queries)

    goals = [Hypothesis((2,), (0, last)) for last in range(4)] + [Hypothesis((1,), (piece,)) for piece in range(4)]
    run_together([score_fillings(goals, ranking=Ranking("left", "pll"))], counting)
    assert asked == [2, 1, 4 + 1]  # both layouts; the one that goes on; each first piece, and the last ones together


def test_searches_run_side_by_side_find_what_each_finds_alone() -> None:
    made: list[Callable[[], Search]] = [
        lambda: search_fillings(layouts_of([(1, 2)]), beam=3, ranking=Ranking()),
        lambda: search_fillings([(3,)], beam=4, ranking=Ranking(rank="pll")),
        lambda: score_fillings([Hypothesis((1,), (2,))], ranking=Ranking()),
        lambda: score_fillings([], ranking=Ranking()),
    ]
    together = run_together([search() for search in made], answer)
    assert together == [run(search()) for search in made]
    assert together[3] == []

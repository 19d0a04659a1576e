"""Fills masks that are decided together: searches pieces, computes probabilities, and compares lengths.

A *blank* is a set of masks that are decided together; each mask stands for one or several pieces, and their numbers
are the *layout* of the blank. A masked-language model gives the probability of each piece at each open slot. From
these, two scores of a filling ``w`` of ``n`` pieces are defined:

- **chain**: the slots are filled one by one, each given the text and the pieces filled before it, the others masked:
  ``log p(w) = sum_i log p(w_s(i) | text, w_s(1) ... w_s(i-1))``. The order ``s`` is ``left`` (left to right) or
  ``certain``: next comes the open slot whose best allowed piece is the most probable given what is filled so far (the
  leftmost of equals). What comes next follows from what is filled, so the probabilities of all fillings of a layout sum
  to 1, less those of pieces that are not allowed.
- **pll**, the pseudo-log-likelihood (Salazar et al. 2020, https://arxiv.org/abs/1910.14659): each piece given the text
  and *all* other pieces, ``sum_i log p(w_i | text, w without w_i)``.

Fillings are ranked by one of these, divided by ``n ** length_penalty``, so that lengths can be compared: 0 is the sum,
which favours short fillings; 1 is the mean per piece (Jiang et al. 2020, https://arxiv.org/abs/2010.06189). Within one
layout, the division does not change the order. The beam follows the chain. With a beam as wide as the number of
fillings, the ranking equals brute force.

A search is a generator: it yields queries to the model, receives the answers, and returns hypotheses. So the searches
of many texts share batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal["left", "certain"]
Rank = Literal["chain", "pll"]
Layout = tuple[int, ...]
Ids = NDArray[np.int64]
LogProbs = NDArray[np.floating[Any]]

LENGTH_PENALTY = 0.7
"""The best value for finding known words among others of all lengths; measured in docs/fill.md."""

OPEN = -1
"""Marks a slot that is not filled yet."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Pieces in the slots of a blank, of which some may still be open.

    Attributes:
        layout: Number of pieces of each mask.
        pieces: Vocabulary index in each slot, ``OPEN`` where there is none yet, ``[slots]``.
        log_prob: Natural logarithm of the chain's probability so far.
        score: What complete ones are ranked by: a log-probability, divided for its length.
    """

    layout: Layout
    pieces: tuple[int, ...]
    log_prob: float = 0.0
    score: float = 0.0

    @classmethod
    def empty(cls, layout: Layout) -> Hypothesis:
        """All slots of a layout open."""
        return cls(layout, (OPEN,) * sum(layout))

    @property
    def state(self) -> tuple[Layout, tuple[int, ...]]:
        """What the model's predictions depend on."""
        return self.layout, self.pieces

    @property
    def open_slots(self) -> list[int]:
        """Slots that are not filled yet."""
        return [slot for slot, piece in enumerate(self.pieces) if piece == OPEN]

    @property
    def stretches(self) -> list[tuple[int, ...]]:
        """The pieces of each mask."""
        return [self.pieces[end - n : end] for n, end in zip(self.layout, accumulate(self.layout), strict=True)]

    def put(self, slot: int, piece: int, log_prob: float = 0.0) -> Hypothesis:
        """The same with another piece, or ``OPEN``, in a slot."""
        pieces = (*self.pieces[:slot], piece, *self.pieces[slot + 1 :])
        return replace(self, pieces=pieces, log_prob=self.log_prob + log_prob)


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a search: predictions at open slots of a hypothesis.

    Attributes:
        reached: The pieces filled so far.
        slots: The open slots to predict, ascending.
        top: Number of best allowed pieces to return for each slot.
        wanted: Further pieces whose log-probabilities to return for each slot, allowed or not, ``[slots, wanted]``.
    """

    reached: Hypothesis
    slots: Sequence[int]
    top: int
    wanted: Ids


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's predictions; log-probabilities are over the whole vocabulary.

    Attributes:
        ids: The best allowed pieces at each slot, best first, ``[slots, top]``.
        log_probs: Their log-probabilities, ``[slots, top]``; minus infinity if fewer pieces are allowed.
        wanted: The log-probabilities of the further pieces, ``[slots, wanted]``.
    """

    ids: Ids
    log_probs: LogProbs
    wanted: LogProbs


Search = Generator[list[Query], list[Answer], list[Hypothesis]]


def layouts_of(lengths: Sequence[tuple[int, int]]) -> list[Layout]:
    """All combinations of the masks' lengths, given the minimum and maximum of each."""
    return list(product(*(range(fewest, most + 1) for fewest, most in lengths)))


def first_slots(layout: Layout) -> NDArray[np.bool_]:
    """Whether each slot is the first of its mask, ``[slots]``."""
    first = np.zeros(sum(layout), np.bool_)
    first[np.cumsum(layout) - layout] = True
    return first


@dataclass(frozen=True, slots=True)
class Ranking:
    """How fillings are scored.

    Attributes:
        order: The order in which the slots of a layout are filled.
        rank: The score for the ranking.
        length_penalty: The score is divided by the number of pieces to this power.
    """

    order: Order = "certain"
    rank: Rank = "chain"
    length_penalty: float = LENGTH_PENALTY


def search_fillings(layouts: Sequence[Layout], *, beam: int, ranking: Ranking) -> Search:
    """Search the best fillings of a blank.

    Args:
        layouts: The layouts to try, each with its own beam.
        beam: Number of hypotheses per layout that are kept at each step.
        ranking: How fillings are scored.

    Returns:
        Up to ``beam`` fillings of each layout, all ranked together, best first.
    """
    order = ranking.order
    found = [Hypothesis.empty(layout) for layout in layouts]
    while growing := [one for one in found if one.open_slots]:
        answers = yield [_ask([one], order, top=beam) for one in growing]
        grown = (child for pair in zip(growing, answers, strict=True) for child in _children(*pair, order))
        found = [*(one for one in found if not one.open_slots), *_best_of_each_layout(grown, beam)]
    return (yield from _ranked(found, ranking))


def score_fillings(goals: Sequence[Hypothesis], *, ranking: Ranking) -> Search:
    """Score given fillings in the same way as the search.

    Args:
        goals: Complete fillings; they share queries as long as they are equal.
        ranking: How fillings are scored.

    Returns:
        All of them, best first.
    """
    order = ranking.order
    reached = [Hypothesis.empty(goal.layout) for goal in goals]
    while groups := _alike(reached):
        top = 0 if order == "left" else 1  # the best piece of a slot decides its turn
        answers = yield [
            _ask([reached[n] for n in group], order, top=top, goals=[goals[n] for n in group]) for group in groups
        ]
        for group, answer in zip(groups, answers, strict=True):
            row = _next_row(answer, order)
            for column, n in enumerate(group):
                slot = reached[n].open_slots[row]
                reached[n] = reached[n].put(slot, goals[n].pieces[slot], float(answer.wanted[row, column]))
    return (yield from _ranked(reached, ranking))


def _ask(reached: Sequence[Hypothesis], order: Order, *, top: int = 0, goals: Sequence[Hypothesis] = ()) -> Query:
    """One query for equal hypotheses: the slots from which the next one is chosen."""
    slots = reached[0].open_slots[: 1 if order == "left" else None]
    wanted = np.array([[goal.pieces[slot] for goal in goals] for slot in slots], np.int64)
    return Query(reached[0], slots, top, wanted.reshape(len(slots), len(goals)))


def _next_row(answer: Answer, order: Order) -> int:
    """The queried slot to fill next."""
    return 0 if order == "left" else int(answer.log_probs[:, 0].argmax())


def _children(parent: Hypothesis, answer: Answer, order: Order) -> Iterator[Hypothesis]:
    row = _next_row(answer, order)
    slot = parent.open_slots[row]
    for piece, log_prob in zip(answer.ids[row].tolist(), answer.log_probs[row].tolist(), strict=True):
        if log_prob > -np.inf:
            yield parent.put(slot, piece, log_prob)


def _best_of_each_layout(hypotheses: Iterable[Hypothesis], beam: int) -> list[Hypothesis]:
    by_layout: dict[Layout, list[Hypothesis]] = defaultdict(list)
    for one in hypotheses:
        by_layout[one.layout].append(one)
    return [one for group in by_layout.values() for one in sorted(group, key=lambda one: -one.log_prob)[:beam]]


def _alike(hypotheses: Sequence[Hypothesis]) -> list[list[int]]:
    """The numbers of fillings with open slots, in groups that are equal for the model."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for n, one in enumerate(hypotheses):
        if one.open_slots:
            groups[one.state].append(n)
    return list(groups.values())


def _ranked(complete: Sequence[Hypothesis], ranking: Ranking) -> Search:
    sums = [one.log_prob for one in complete]
    if ranking.rank == "pll":
        sums = yield from _pseudo_log_likelihoods(complete)
    power = ranking.length_penalty
    scored = [replace(one, score=total / len(one.pieces) ** power) for one, total in zip(complete, sums, strict=True)]
    return sorted(scored, key=lambda one: -one.score)


def _pseudo_log_likelihoods(complete: Sequence[Hypothesis]) -> Generator[list[Query], list[Answer], list[float]]:
    """The sum over the pieces of each, given all others; for a single piece, it is known from the chain."""
    several = [n for n, one in enumerate(complete) if len(one.pieces) > 1]
    sums = [0.0 if len(one.pieces) > 1 else one.log_prob for one in complete]
    owners = [(n, slot) for n in several for slot in range(len(complete[n].pieces))]
    opened = [complete[n].put(slot, OPEN) for n, slot in owners]
    groups = _alike(opened)
    answers = yield [
        _ask([opened[k] for k in group], "left", goals=[complete[owners[k][0]] for k in group]) for group in groups
    ]
    for group, answer in zip(groups, answers, strict=True):
        for column, k in enumerate(group):
            sums[owners[k][0]] += float(answer.wanted[0, column])
    return sums


def run_together(
    searches: Sequence[Search], answer: Callable[[list[tuple[int, Query]]], list[Answer]]
) -> list[list[Hypothesis]]:
    """Run searches in parallel, and answer their queries; see ``search_together``.

    Args:
        searches: New searches.
        answer: Answers queries in order, each with the number of its search.

    Returns:
        What each search found.
    """
    running = search_together(searches)
    try:
        asked = next(running)
        while True:
            asked = running.send(answer(asked))
    except StopIteration as end:
        found: list[list[Hypothesis]] = end.value
        return found


def search_together(
    searches: Sequence[Search],
) -> Generator[list[tuple[int, Query]], list[Answer], list[list[Hypothesis]]]:
    """Run searches in parallel: yields the queries of all of them together, and receives the answers.

    Args:
        searches: Fresh searches.

    Yields:
        Queries, each with the number of its search; answers are in the same order.

    Returns:
        What each search found.
    """
    found: list[list[Hypothesis]] = [[] for _ in searches]
    asking: dict[int, list[Query]] = {}

    def advance(n: int, answers: list[Answer] | None) -> None:
        try:
            asking[n] = next(searches[n]) if answers is None else searches[n].send(answers)
        except StopIteration as stop:
            found[n] = stop.value
            asking.pop(n, None)

    for n in range(len(searches)):
        advance(n, None)
    while asking:
        answers = iter((yield [(n, query) for n, queries in asking.items() for query in queries]))
        for n, queries in list(asking.items()):
            advance(n, [next(answers) for _ in queries])
    return found

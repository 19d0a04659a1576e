"""Windows cover every piece, decide each once, and where it is farthest from a cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.text.windows import plan_batch
from tests.windows import Window, plan_windows

SIZES = st.integers(1, 12).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


def plain_plan(n_pieces: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Starts and ends of the windows, one after the other."""
    if n_pieces == 0:
        return []
    ranges = [(0, min(size, n_pieces))]
    while ranges[-1][1] < n_pieces:
        start = ranges[-1][1] - overlap
        ranges.append((start, min(start + size, n_pieces)))
    return ranges


def room(piece: int, window: tuple[int, int], n_pieces: int) -> float:
    """How many pieces lie between a piece and the nearest cut of a window; the text's own ends are no cuts."""
    start, end = window
    if not start <= piece < end:
        return -1
    left = float("inf") if start == 0 else piece - start
    right = float("inf") if end == n_pieces else end - 1 - piece
    return min(left, right)


@given(st.integers(0, 80), SIZES)
def test_windows_have_the_asked_size_and_overlap(n_pieces: int, sizes: tuple[int, int]) -> None:
    size, overlap = sizes

    windows = plan_windows(n_pieces, size=size, overlap=overlap)

    assert [(window.start, window.end) for window in windows] == plain_plan(n_pieces, size, overlap)


@given(st.integers(0, 80), SIZES)
def test_the_keep_ranges_tile_the_sequence(n_pieces: int, sizes: tuple[int, int]) -> None:
    size, overlap = sizes

    windows = plan_windows(n_pieces, size=size, overlap=overlap)

    assert [i for window in windows for i in range(window.keep_start, window.keep_end)] == list(range(n_pieces))
    assert all(window.start <= window.keep_start < window.keep_end <= window.end for window in windows)


@given(st.integers(0, 80), SIZES)
def test_each_piece_is_decided_where_it_is_farthest_from_a_cut(n_pieces: int, sizes: tuple[int, int]) -> None:
    size, overlap = sizes
    windows = plan_windows(n_pieces, size=size, overlap=overlap)
    ranges = [(window.start, window.end) for window in windows]

    for window in windows:
        for piece in range(window.keep_start, window.keep_end):
            here = room(piece, (window.start, window.end), n_pieces)
            assert here == max(room(piece, other, n_pieces) for other in ranges)


@given(st.lists(st.integers(0, 60), max_size=8), SIZES, st.integers(0, 5))
def test_a_batch_is_planned_as_its_texts_one_by_one(lengths: list[int], sizes: tuple[int, int], first: int) -> None:
    size, overlap = sizes
    bounds = first + np.cumsum([0, *lengths])

    plan = plan_batch(bounds, size=size, overlap=overlap)

    one_by_one = [
        (i, *(edge + bounds[i] for edge in window))
        for i, length in enumerate(lengths)
        for window in plan_windows(length, size=size, overlap=overlap)
    ]
    columns = (plan.text, plan.start, plan.end, plan.keep_start, plan.keep_end)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == one_by_one
    assert {column.dtype.name for column in columns} == {"int64"}
    assert len(plan) == len(one_by_one)


def test_a_text_that_fits_is_one_window() -> None:
    assert plan_windows(8, size=8, overlap=4) == [Window(0, 8, 0, 8)]


def test_the_middle_of_an_overlap_is_where_deciding_changes() -> None:
    assert plan_windows(13, size=8, overlap=4) == [Window(0, 8, 0, 6), Window(4, 12, 6, 10), Window(8, 13, 10, 13)]


def test_the_earlier_window_decides_the_piece_in_the_middle() -> None:
    assert plan_windows(9, size=6, overlap=3) == [Window(0, 6, 0, 5), Window(3, 9, 5, 9)]


@pytest.mark.parametrize(("size", "overlap"), [(4, 4), (4, -1), (4, 5), (0, 0)])
def test_an_overlap_that_does_not_fit_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=rf"overlap {overlap} .*\[0, {size}\)"):
        plan_windows(10, size=size, overlap=overlap)


@given(st.lists(st.tuples(st.integers(0, 40), SIZES), min_size=1, max_size=6))
def test_each_text_may_have_a_size_and_overlap_of_its_own(texts: list[tuple[int, tuple[int, int]]]) -> None:
    bounds = np.cumsum([0, *(n_pieces for n_pieces, _ in texts)])
    sizes, overlaps = (np.array(column) for column in zip(*(sizes for _, sizes in texts), strict=True))

    together = plan_batch(bounds, size=sizes, overlap=overlaps)

    for i, (n_pieces, (size, overlap)) in enumerate(texts):
        own = np.flatnonzero(together.text == i)
        alone = plan_windows(n_pieces, size=size, overlap=overlap)
        assert [(int(together.start[k] - bounds[i]), int(together.end[k] - bounds[i])) for k in own] == [
            (window.start, window.end) for window in alone
        ]
        assert [int(together.keep_start[k] - bounds[i]) for k in own] == [window.keep_start for window in alone]


def test_a_text_without_pieces_has_a_window_where_it_is_read_too() -> None:
    bounds = np.array([0, 0, 3, 3])
    assert plan_batch(bounds, size=2, overlap=0).text.tolist() == [1, 1]
    plan = plan_batch(bounds, size=2, overlap=0, read_empty=True)
    assert plan.text.tolist() == [0, 1, 1, 2]
    assert (plan.end - plan.start).tolist() == [0, 2, 1, 0]
    assert (plan.keep_end - plan.keep_start).tolist() == [0, 2, 1, 0]


def test_an_overlap_that_fits_one_text_and_not_another_is_refused() -> None:
    with pytest.raises(ValueError, match=r"overlap 3 does not fit windows of 2 pieces; it must be in \[0, 2\)"):
        plan_batch(np.array([0, 9, 18]), size=np.array([4, 2]), overlap=3)

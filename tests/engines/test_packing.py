"""Packing: every sequence in exactly one place, rows of few lengths, almost nothing left empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexel.engines.packing import ROW_STEP, Placement, Sequences, build_rows, pack, row_lengths
from lexel.tasks.base import gather_blocks

DATA = Path(__file__).parent.parent / "data"
PAD = 77


@st.composite
def length_lists(draw: st.DrawFn) -> tuple[NDArray[np.int64], int, int]:
    """Lengths of sequences, the longest that is allowed, and the slots of a batch."""
    max_length = draw(st.sampled_from([1, 3, 16, 20, 64, 100, 128, 500, 512, 700]))
    lengths = draw(st.lists(st.integers(1, max_length), max_size=60))
    return np.array(lengths, np.int64), max_length, draw(st.sampled_from([1, 16, 100, 512, 2048, 5000]))


def slots_of(placement: Placement, lengths: NDArray[np.int64]) -> Iterator[tuple[int, range]]:
    """Each placed sequence with its flat slots."""
    for sequence, slot in zip(placement.sequences.tolist(), placement.slots.tolist(), strict=True):
        yield sequence, range(slot, slot + int(lengths[sequence]))


def random_input(lengths: NDArray[np.int64]) -> Sequences:
    total = int(lengths.sum())
    random = np.random.default_rng(total)
    return Sequences(
        ids=random.integers(100, 1000, total).astype(np.int32),
        type_ids=random.integers(0, 2, total).astype(np.int32),
        picked=random.random(total) < 0.7,
        bounds=np.concatenate(([0], np.cumsum(lengths))),
    )


@given(length_lists())
def test_every_sequence_stands_in_exactly_one_place(case: tuple[NDArray[np.int64], int, int]) -> None:
    lengths, max_length, batch_pieces = case
    placements = pack(lengths, max_length=max_length, batch_pieces=batch_pieces)
    placed = [sequence for placement in placements for sequence in placement.sequences.tolist()]
    assert sorted(placed) == list(range(len(lengths)))


@given(length_lists())
def test_no_sequence_overlaps_another_or_crosses_a_row(case: tuple[NDArray[np.int64], int, int]) -> None:
    lengths, max_length, batch_pieces = case
    for placement in pack(lengths, max_length=max_length, batch_pieces=batch_pieces):
        taken: set[int] = set()
        for _, slots in slots_of(placement, lengths):
            assert slots.start // placement.length == (slots.stop - 1) // placement.length < placement.n_rows
            assert taken.isdisjoint(slots)
            taken.update(slots)


@given(length_lists())
def test_sequences_of_one_row_have_numbers_of_their_own(case: tuple[NDArray[np.int64], int, int]) -> None:
    lengths, max_length, batch_pieces = case
    for placement in pack(lengths, max_length=max_length, batch_pieces=batch_pieces):
        rows = placement.slots // placement.length
        names = set(zip(rows.tolist(), placement.numbers.tolist(), strict=True))
        assert len(names) == len(rows)
        assert placement.numbers.min() >= 1


@given(length_lists())
def test_batches_have_few_shapes(case: tuple[NDArray[np.int64], int, int]) -> None:
    lengths, max_length, batch_pieces = case
    for placement in pack(lengths, max_length=max_length, batch_pieces=batch_pieces):
        assert placement.length in row_lengths(max_length)
        assert placement.n_rows.bit_count() == 1
        assert placement.n_rows == 1 or placement.n_rows * placement.length <= batch_pieces


@given(length_lists())
def test_rows_give_back_every_piece_at_its_position(case: tuple[NDArray[np.int64], int, int]) -> None:
    lengths, max_length, batch_pieces = case
    sequences = random_input(lengths)
    seen = np.zeros(len(sequences.ids), np.int64)
    for placement in pack(lengths, max_length=max_length, batch_pieces=batch_pieces):
        rows, asked = build_rows(sequences, placement, pad=PAD)
        flat = {name: getattr(rows, name).reshape(-1) for name in ("piece_ids", "position_ids", "type_ids")}
        for sequence, slots in slots_of(placement, lengths):
            own = slice(*sequences.bounds[sequence : sequence + 2])
            assert flat["piece_ids"][slots].tolist() == sequences.ids[own].tolist()
            assert flat["type_ids"][slots].tolist() == sequences.type_ids[own].tolist()
            assert flat["position_ids"][slots].tolist() == list(range(len(slots)))
            assert len(set(rows.sequence_ids.reshape(-1)[slots].tolist())) == 1
        assert flat["piece_ids"][rows.picks].tolist() == sequences.ids[asked].tolist()
        seen[asked] += 1
    assert seen.tolist() == sequences.picked.astype(int).tolist()


@given(length_lists(), st.integers(0, 300))
def test_few_slots_are_filled_up_to_save_batches(case: tuple[NDArray[np.int64], int, int], overhead: int) -> None:
    lengths, max_length, batch_pieces = case
    apart = pack(lengths, max_length=max_length, batch_pieces=batch_pieces)
    filled = pack(lengths, max_length=max_length, batch_pieces=batch_pieces, overhead=overhead)
    assert sorted(np.concatenate([[], *(one.sequences for one in filled)]).tolist()) == list(range(len(lengths)))
    assert all(one.n_rows.bit_count() == 1 for one in filled)
    assert cost(filled, overhead) <= cost(apart, overhead)


def cost(placements: list[Placement], overhead: int) -> int:
    return sum(one.n_rows * one.length + overhead for one in placements)


def test_fifteen_rows_of_a_small_model_are_two_batches_of_eight() -> None:
    shapes = [(one.n_rows, one.length) for one in pack(np.array([90] * 14 + [30]), max_length=256, overhead=96)]
    assert shapes == [(8, 96), (8, 96)]


@given(length_lists())
def test_unused_slots_are_padding_of_no_sequence(case: tuple[NDArray[np.int64], int, int]) -> None:
    lengths, max_length, batch_pieces = case
    sequences = random_input(lengths)
    for placement in pack(lengths, max_length=max_length, batch_pieces=batch_pieces):
        rows, _ = build_rows(sequences, placement, pad=PAD)
        unused = rows.sequence_ids == 0
        assert unused.sum() == placement.n_rows * placement.length - lengths[placement.sequences].sum()
        assert (rows.piece_ids[unused] == PAD).all()


@pytest.mark.parametrize("max_length", [1, 16, 20, 64, 384, 510, 512, 1000, 4096])
def test_row_lengths_rise_by_sixteens_to_the_first_that_holds_the_longest(max_length: int) -> None:
    lengths = row_lengths(max_length)
    assert list(lengths) == sorted(set(lengths))
    assert all(length % ROW_STEP == 0 for length in lengths)
    assert max_length <= lengths[-1] < max_length + ROW_STEP


def test_a_short_text_takes_a_short_row() -> None:
    assert [placement.length for placement in pack(np.array([9]), max_length=512)] == [16]


@pytest.mark.parametrize("max_length", [64, 128, 512])
def test_real_sentences_leave_at_most_seven_percent_empty(max_length: int) -> None:
    lines = [line for path in sorted(DATA.glob("zh_*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    used = slots = 0
    for block in gather_blocks(json.loads(line)["text"] for line in lines):
        lengths = np.array([min(len(text) + 2, max_length) for text in block.texts])
        used += int(lengths.sum())
        slots += sum(placement.n_rows * placement.length for placement in pack(lengths, max_length=max_length))
    assert used / slots >= 0.93


def test_a_sequence_goes_into_the_fullest_row_that_has_room() -> None:
    placements = pack(np.array([106, 100, 22]), max_length=512)
    assert [placement.sequences.tolist() for placement in placements] == [[0, 2], [1]]


def test_a_row_is_cut_to_the_shortest_length_that_holds_it() -> None:
    assert [placement.length for placement in pack(np.array([300, 100, 40, 40]), max_length=512)] == [512]
    assert [placement.length for placement in pack(np.array([300, 220, 40, 40]), max_length=512)] == [384, 224]


def test_sequences_of_one_length_leave_at_most_a_quarter_empty() -> None:
    def fill(length: int) -> float:
        placements = pack(np.full(60, length), max_length=512)
        return 60 * length / sum(placement.n_rows * placement.length for placement in placements)

    assert min(map(fill, range(13, 513))) >= 0.75

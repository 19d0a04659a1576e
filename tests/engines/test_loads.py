"""Batches become loads without unused slots, and scores of loads become those of batches again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lexel.engines.base import Rows
from lexel.engines.loads import Load, deal_out, flatten, gather_loads, load_of_rows
from lexel.engines.packing import build_rows, pack
from tests.builders import random_sequences

LENGTHS = (9, 30, 16, 4, 64, 21, 7, 50, 64, 60, 33, 58, 1, 2, 3)


def batches_of(lengths: Sequence[int], *, batch_pieces: int = 128) -> tuple[list[Rows], list[np.ndarray]]:
    """Batches, and for each the pieces of the sequences that its picks ask for."""
    sequences = random_sequences(lengths, n_types=2)
    placements = pack(np.diff(sequences.bounds), max_length=64, batch_pieces=batch_pieces)
    built = [build_rows(sequences, placement, pad=0) for placement in placements]
    return [rows for rows, _ in built], [asked for _, asked in built]


def sequences_of(load: Load) -> list[tuple[list[int], list[int]]]:
    """Pieces and types of each sequence of a load."""
    ids, types = load.piece_ids[0], load.type_ids[0]
    return [
        (ids[start:end].tolist(), types[start:end].tolist())
        for start, end in zip(load.sequences[:-1], load.sequences[1:], strict=True)
    ]


def test_a_load_holds_every_sequence_and_nothing_else() -> None:
    batches, _ = batches_of(LENGTHS)
    load = flatten(batches)
    original = random_sequences(LENGTHS, n_types=2)
    expected = [
        (original.ids[start:end].tolist(), original.type_ids[start:end].tolist())
        for start, end in zip(original.bounds[:-1], original.bounds[1:], strict=True)
    ]
    assert sorted(sequences_of(load)) == sorted(expected)
    assert load.n_slots == sum(LENGTHS)
    assert load.longest == 64


def test_positions_begin_anew_with_each_sequence() -> None:
    load = flatten(batches_of(LENGTHS)[0])
    expected = np.concatenate([np.arange(size) for size in np.diff(load.sequences)])
    assert load.position_ids[0].tolist() == expected.tolist()


def test_picks_ask_for_the_same_pieces_as_before() -> None:
    batches, _ = batches_of(LENGTHS)
    fewer = [
        Rows(rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids, rows.picks[::-3].copy())
        for rows in batches
    ]
    load = flatten(fewer)
    expected = np.concatenate([rows.piece_ids.reshape(-1)[rows.picks] for rows in fewer])
    assert load.piece_ids.reshape(-1)[load.picks].tolist() == expected.tolist()
    assert load.counts == tuple(len(rows.picks) for rows in fewer)


def test_neighbours_with_the_same_number_in_two_rows_are_two_sequences() -> None:
    ones = np.ones((2, 3), np.int32)
    positions = np.tile(np.arange(3, dtype=np.int32), (2, 1))
    load = flatten([Rows(ones, positions, ones, ones, np.array([0], np.int32))])
    assert load.sequences.tolist() == [0, 3, 6]


def test_loads_are_filled_up_to_their_size() -> None:
    batches, _ = batches_of(LENGTHS, batch_pieces=1)
    loads = list(gather_loads(batches, slots=130))
    sizes = [load.n_slots for load in loads]
    assert max(sizes) <= 130
    assert all(size + following.n_slots > 66 for size, following in zip(sizes, loads[1:], strict=False))
    assert sum(len(load.counts) for load in loads) == len(batches)
    assert len(loads) < len(batches)


def test_a_batch_larger_than_a_load_is_one_of_its_own() -> None:
    batches, _ = batches_of((64, 64, 64, 64), batch_pieces=256)
    assert [load.n_slots for load in gather_loads([*batches, *batches], slots=100)] == [256, 256]


def test_no_batches_are_no_loads() -> None:
    assert list(gather_loads([], slots=100)) == []


def test_a_batch_as_it_is_keeps_its_rows() -> None:
    rows = batches_of(LENGTHS)[0][0]
    load = load_of_rows(rows)
    assert (load.n_slots, load.longest) == (rows.piece_ids.size, None)
    assert load.sequences is rows.sequence_ids


@pytest.mark.parametrize("counts", [(3,), (1, 0, 2), (2, 1)])
def test_scores_are_dealt_out_by_the_number_of_picks(counts: tuple[int, ...]) -> None:
    scores = {"words": np.arange(6.0).reshape(3, 2)}
    dealt = [part["words"] for part in deal_out(scores, counts)]
    assert [len(part) for part in dealt] == list(counts)
    assert np.array_equal(np.concatenate(dealt), scores["words"])

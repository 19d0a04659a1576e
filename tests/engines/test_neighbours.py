"""A packed sequence gets what it gets alone; order, batches, threads and streams do not matter.

In float32 this holds bit for bit: a slot outside the sequence has a probability of exactly zero, and every row is a
multiple of 16 long, so that the kernels treat each slot alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.base import Engine, Rows
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.openvino import OpenVinoEngine
from lexel.engines.packing import Sequences
from tests.builders import ENTITIES, VOCAB, build_tagger, compute, openvino_has_bf16, random_sequences
from tests.quantised import int8, quantised_tagger

LENGTH, SLOT, ROW_LENGTH = 20, 10, 64
EXACT = ("openvino", "torch")
ENGINES = {"numpy": "float64", "openvino": "float32", "torch": "float32"}
MIX = (64, 3, 17, 30, 5, 40, 9, 1, 23, 12, 64, 33, 8, 8, 8)


SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "max_position_embeddings": 256}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(build_tagger(tmp_path_factory.mktemp("model"), heads={"entities": ENTITIES}, config=SIZES))


@pytest.fixture(scope="module", params=[*ENGINES, int8("int8")])
def engine(request: pytest.FixtureRequest, checkpoint: Checkpoint) -> Engine:
    if request.param == "int8":
        quantised = quantised_tagger(sizes=tuple(SIZES.items()))
        return start_engine(quantised, EngineOptions(precision="int8", threads=2))
    return start_engine(checkpoint, EngineOptions(engine=request.param, precision=ENGINES[request.param], threads=2))


def rows_with(n_rows: int, length: int, *, row: int, slot: int, seed: int, neighbours: bool = True) -> Rows:
    """Rows in which the one sequence that is looked at begins at a slot; all else is random, or empty."""
    random = np.random.default_rng(seed)
    piece_ids = random.integers(5, len(VOCAB), (n_rows, length)).astype(np.int32)
    type_ids = random.integers(0, 2, (n_rows, length)).astype(np.int32)
    numbers = np.sort(random.integers(1, 5, (n_rows, length)), axis=1).astype(np.int32)
    if not neighbours:
        piece_ids[:], type_ids[:], numbers[:] = 0, 0, 0
    positions = np.arange(length) - np.array([np.searchsorted(line, line) for line in numbers])
    own = slice(slot, slot + LENGTH)
    piece_ids[row, own] = np.random.default_rng(0).integers(5, len(VOCAB), LENGTH)
    type_ids[row, own], numbers[row, own], positions[row, own] = 0, 99, np.arange(LENGTH)
    picks = (row * length + slot + np.arange(LENGTH)).astype(np.int32)
    return Rows(piece_ids, positions.astype(np.int32), type_ids, numbers, picks)


def scores_of(engine: Engine, rows: Rows) -> NDArray[np.floating[Any]]:
    return next(iter(engine.run([rows], ["entities"])))["entities"]


@pytest.fixture(scope="module")
def alone(engine: Engine) -> NDArray[np.floating[Any]]:
    return scores_of(engine, rows_with(1, ROW_LENGTH, row=0, slot=SLOT, seed=0, neighbours=False))


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_change_nothing_bit_for_bit(engine: Engine, alone: NDArray[Any], seed: int) -> None:
    among = scores_of(engine, rows_with(1, ROW_LENGTH, row=0, slot=SLOT, seed=seed))
    assert np.array_equal(among, alone)


@pytest.mark.parametrize(
    ("n_rows", "length", "row", "slot"),
    [(1, 64, 0, 0), (1, 64, 0, 44), (1, 64, 0, 11), (4, 64, 2, 10), (1, 32, 0, 3), (1, 256, 0, 200), (8, 128, 7, 77)],
)
def test_the_place_changes_nothing(
    engine: Engine, alone: NDArray[Any], n_rows: int, length: int, row: int, slot: int
) -> None:
    moved = scores_of(engine, rows_with(n_rows, length, row=row, slot=slot, seed=5))
    if engine.name in EXACT:
        assert np.array_equal(moved, alone)
    else:
        assert np.abs(moved - alone).max() <= 1e-12  # numpy's sums over a row depend on where their numbers stand


@pytest.mark.parametrize("name", ["openvino", "torch"] if openvino_has_bf16() else ["torch"])
def test_bf16_probabilities_are_the_same_in_any_company(checkpoint: Checkpoint, name: str) -> None:
    engine = start_engine(checkpoint, EngineOptions(engine=name, precision="bf16", threads=2))
    alone = scores_of(engine, rows_with(1, 32, row=0, slot=0, seed=0, neighbours=False))
    among = scores_of(engine, rows_with(4, 128, row=2, slot=77, seed=1))
    assert np.abs(_probs(among) - _probs(alone)).max() <= 0.02


def _probs(scores: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


# Whole inputs --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sequences() -> Sequences:
    return random_sequences(MIX, n_pieces=len(VOCAB))


def entity_scores(engine: Engine, sequences: Sequences, *, batch_pieces: int = 2048) -> NDArray[Any]:
    return compute(engine, sequences, ["entities"], max_length=64, batch_pieces=batch_pieces)["entities"]


def reordered(sequences: Sequences, order: Sequence[int]) -> tuple[Sequences, NDArray[np.int64]]:
    """The sequences in another order, and which piece each of theirs was."""
    ranges = [np.arange(*sequences.bounds[i : i + 2]) for i in order]
    pieces = np.concatenate(ranges)
    bounds = np.concatenate(([0], np.cumsum([len(one) for one in ranges])))
    return Sequences(sequences.ids[pieces], sequences.type_ids[pieces], sequences.picked[pieces], bounds), pieces


def test_the_order_of_sequences_does_not_matter(engine: Engine, sequences: Sequences) -> None:
    order = np.random.default_rng(1).permutation(len(MIX)).tolist()
    shuffled, pieces = reordered(sequences, order)
    assert np.abs(entity_scores(engine, shuffled) - entity_scores(engine, sequences)[pieces]).max() <= 1e-6


@pytest.mark.parametrize("batch_pieces", [1, 64, 200, 100_000])
def test_the_size_of_batches_does_not_matter(engine: Engine, sequences: Sequences, batch_pieces: int) -> None:
    found = entity_scores(engine, sequences, batch_pieces=batch_pieces)
    assert np.abs(found - entity_scores(engine, sequences)).max() <= 1e-6


@pytest.mark.parametrize(("threads", "streams"), [(1, 1), (2, 1), (2, 2), (4, 3)])
def test_threads_and_streams_do_not_matter(
    checkpoint: Checkpoint, sequences: Sequences, threads: int, streams: int
) -> None:
    one = OpenVinoEngine(checkpoint, precision="float32", threads=1, streams=1)
    many = OpenVinoEngine(checkpoint, precision="float32", threads=threads, streams=streams)
    expected = entity_scores(one, sequences, batch_pieces=64)
    assert np.abs(entity_scores(many, sequences, batch_pieces=64) - expected).max() <= 1e-6


@pytest.mark.parametrize("threads", [4, 2, 1])
def test_torch_computes_with_the_threads_asked_for(checkpoint: Checkpoint, sequences: Sequences, threads: int) -> None:
    import torch

    engine = start_engine(checkpoint, EngineOptions(engine="torch", precision="float32", threads=threads))
    assert torch.get_num_threads() == engine.threads == threads
    expected = entity_scores(start_engine(checkpoint, EngineOptions(engine="numpy")), sequences)
    assert np.abs(entity_scores(engine, sequences) - expected).max() <= 1e-4

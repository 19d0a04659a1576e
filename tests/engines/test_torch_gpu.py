"""On a real GPU: what only a GPU can show. Skipped where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import EngineError
from tests.builders import ENTITIES, WORDS, build_tagger, compute, random_sequences

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

LENGTHS: Sequence[int] = tuple(np.random.default_rng(0).integers(1, 64, 500).tolist())
TOLERANCES = {"float32": 1e-3, "float16": 0.02, "bf16": 0.1}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 2}
    heads = {"words": WORDS, "entities": ENTITIES}
    return open_checkpoint(build_tagger(tmp_path_factory.mktemp("model"), heads=heads, config=sizes))


def hidden_of(checkpoint: Checkpoint, options: EngineOptions, *, batch_pieces: int = 256) -> np.ndarray:
    engine = start_engine(checkpoint, options)
    outputs = [f"hidden.{checkpoint.config.n_layers}"]
    return compute(engine, random_sequences(LENGTHS), outputs, max_length=64, batch_pieces=batch_pieces)[outputs[0]]


@pytest.fixture(scope="module")
def expected(checkpoint: Checkpoint) -> np.ndarray:
    return hidden_of(checkpoint, EngineOptions("numpy"))


@pytest.mark.parametrize("precision", TOLERANCES)
def test_a_gpu_gives_what_the_definition_gives(checkpoint: Checkpoint, expected: np.ndarray, precision: str) -> None:
    found = hidden_of(checkpoint, EngineOptions(precision=precision, device="cuda", batch_pieces=1024))
    assert np.abs(found - expected).max() <= TOLERANCES[precision]


def test_compiled_layers_give_it_too(checkpoint: Checkpoint, expected: np.ndarray) -> None:
    options = EngineOptions(precision="bf16", device="cuda", batch_pieces=1024, is_compiled=True)
    assert np.abs(hidden_of(checkpoint, options) - expected).max() <= TOLERANCES["bf16"]


def test_many_loads_in_flight_do_not_write_over_each_other(checkpoint: Checkpoint, expected: np.ndarray) -> None:
    options = EngineOptions(precision="float16", device="cuda", batch_pieces=64)
    found = [hidden_of(checkpoint, options, batch_pieces=1) for _ in range(5)]
    assert all(np.abs(one - expected).max() <= TOLERANCES["float16"] for one in found)


def test_sixteen_bits_attend_in_segments(checkpoint: Checkpoint) -> None:
    engine = start_engine(checkpoint, EngineOptions(precision="bf16", device="cuda"))
    assert engine.attends_in_segments  # type: ignore[attr-defined]


def test_a_load_that_does_not_fit_is_one_clear_line(checkpoint: Checkpoint) -> None:
    torch.cuda.set_per_process_memory_fraction(1e-3)
    try:
        engine = start_engine(checkpoint, EngineOptions(precision="bf16", device="cuda", batch_pieces=10_000_000))
        sequences = random_sequences([64] * 20_000)
        with pytest.raises(
            EngineError, match=r"a load of 1,280,000 slots does not fit: .* use --batch-pieces 640000 or"
        ):
            compute(engine, sequences, ["hidden.2"], max_length=64, batch_pieces=2048)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

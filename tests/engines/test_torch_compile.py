"""Compiled layers compute what eager ones do; one compilation serves all layers and any number of pieces."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lexel.checkpoint import open_checkpoint
from lexel.engines.torch import Plan, TorchEngine
from lexel.engines.torch_compile import CompiledModel
from tests.builders import RECIPES, build_reference, compute, random_sequences
from tests.engines.test_torch import each_alone

LENGTHS = (9, 30, 16, 4, 64, 21, 7, 50, 64, 60, 33, 58)


@torch.library.custom_op("lexel_tests::each_alone", mutates_args=())
def opaque_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
) -> torch.Tensor:
    """A kernel that the compiler cannot look into, like flash attention."""
    return each_alone(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k)


@opaque_kernel.register_fake
def _shape(query: torch.Tensor, *_: Any) -> torch.Tensor:
    return torch.empty_like(query)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch.compiler.reset()


def compiled_with(backend: Any, engine: TorchEngine) -> TorchEngine:
    for worker in engine._workers:
        worker._model = CompiledModel(worker._model, backend=backend)
    return engine


@pytest.mark.parametrize("recipe", ["bert", "albert-groups"])
def test_compiled_layers_give_what_eager_ones_give(tmp_path: Path, recipe: str) -> None:
    build_reference(tmp_path, RECIPES[recipe])
    checkpoint = open_checkpoint(tmp_path)
    compilations = 0

    def counting(graph: Any, _: Any) -> Any:
        nonlocal compilations
        compilations += 1
        return graph.forward

    def engine() -> TorchEngine:
        plan = Plan(opaque_kernel, slots=150, ahead=2, in_flight=2)
        return TorchEngine(checkpoint, precision="float32", threads=1, device="cpu", plan=plan)

    sequences = random_sequences(LENGTHS)
    outputs = [f"hidden.{checkpoint.config.n_layers}"]
    expected = compute(engine(), sequences, outputs, max_length=64, batch_pieces=64)
    found = compute(compiled_with(counting, engine()), sequences, outputs, max_length=64, batch_pieces=64)
    assert np.abs(found[outputs[0]] - expected[outputs[0]]).max() <= 1e-6
    assert compilations == 1


def test_where_nothing_can_be_compiled_it_is_said_and_computed_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_reference(tmp_path, RECIPES["bert"])
    checkpoint = open_checkpoint(tmp_path)

    def broken(*_: Any) -> Any:
        raise RuntimeError("no compiler on this machine")

    eager = TorchEngine(checkpoint, precision="float32", threads=1, device="cpu")
    engine = compiled_with(broken, TorchEngine(checkpoint, precision="float32", threads=1, device="cpu"))
    sequences = random_sequences(LENGTHS)
    expected = compute(eager, sequences, ["hidden.1"], max_length=64)["hidden.1"]
    with caplog.at_level(logging.WARNING, logger="lexel"):
        found = compute(engine, sequences, ["hidden.1"], max_length=64)["hidden.1"]
    assert np.array_equal(found, expected)
    assert [record.message.startswith("torch.compile does not work here") for record in caplog.records] == [True]

"""Attention inside a window, computed block by block in long rows, is that of whole rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op

from lexel.checkpoint import open_checkpoint
from lexel.engines import openvino as engines
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.fake import FakeEngine
from lexel.engines.openvino_ops import OpenVinoOps
from lexel.tasks.base import Flow, gather_blocks
from tests.builders import MODERN, RECIPES, VOCAB, Recipe, build_reference, compute, random_sequences, write_vocab

HEADS, SIZE = 4, 6


def attended(arrays: list[Any], *, window: int, n_keys: int, in_blocks: bool) -> Any:
    """Attention of some queries, keys and values in packed rows, by a graph."""
    ops = OpenVinoOps(in_blocks=in_blocks)
    given = [op.parameter([-1] * array.ndim, array.dtype.type, f"x{i}") for i, array in enumerate(arrays)]
    mask = ops.mask(given[3], given[4], window=window)
    mixed = ops.attention(*given[:3], mask, n_heads=HEADS, head_size=SIZE, n_key_value_heads=n_keys, scale=0.3)
    compiled = ov.Core().compile_model(ov.Model([mixed], given, "x"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(arrays)[0])


@pytest.mark.parametrize("n_keys", [4, 2])
@pytest.mark.parametrize(("length", "window"), [(96, 8), (50, 10), (200, 128), (16, 64), (1, 2), (33, 32), (64, 0)])
def test_blocks_give_what_whole_rows_give(length: int, window: int, n_keys: int) -> None:
    random = np.random.default_rng(length + window)
    sizes = (HEADS * SIZE, n_keys * SIZE, n_keys * SIZE)
    arrays = [random.normal(size=(2, length, size)).astype(np.float32) for size in sizes]
    sequences = np.sort(random.integers(0, 4, (2, length)).astype(np.int32))
    counts = [[(row[:i] == number).sum() for i, number in enumerate(row)] for row in sequences]
    arrays += [sequences, np.array(counts, np.int32)]
    whole, cut = (attended(arrays, window=window, n_keys=n_keys, in_blocks=in_blocks) for in_blocks in (False, True))
    assert whole.shape == cut.shape
    assert np.abs(whole - cut).max() <= 2e-6


@pytest.mark.parametrize("recipe", ["modernbert", "modernbert-biased"])
def test_long_rows_of_a_model_are_computed_in_blocks(
    tmp_path: Path, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "LONG_ROW", 64)
    build_reference(tmp_path, RECIPES[recipe])
    checkpoint, sequences = open_checkpoint(tmp_path), random_sequences((64, 5, 30, 9, 41))
    blocks = engines.OpenVinoEngine(checkpoint, precision="float32", threads=1, streams=1)
    exact = start_engine(checkpoint, EngineOptions(engine="numpy"))
    found, expected = (compute(engine, sequences, ["entities"], max_length=64) for engine in (blocks, exact))
    assert np.abs(found["entities"] - expected["entities"]).max() <= 1e-5
    assert {wanted.in_blocks for wanted in blocks._compiled} == {True, False}


def test_a_model_without_windows_has_one_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LONG_ROW", 16)
    build_reference(tmp_path, RECIPES["bert"])
    engine = engines.OpenVinoEngine(open_checkpoint(tmp_path), precision="float32", threads=1, streams=1)
    compute(engine, random_sequences((40, 9)), ["entities"], max_length=64)
    assert [wanted.in_blocks for wanted in engine._compiled] == [False]


@pytest.mark.parametrize(("n_pieces", "n_windows"), [(8190, 1), (8191, 2)])
def test_a_text_of_as_many_pieces_as_the_model_takes_is_read_without_windows(
    tmp_path: Path, n_pieces: int, n_windows: int
) -> None:
    settings = {**MODERN, "max_position_embeddings": 8192, "vocab_size": len(VOCAB)}
    build_reference(tmp_path, Recipe("modernbert", settings))
    write_vocab(tmp_path, VOCAB)
    checkpoint = open_checkpoint(tmp_path)
    flow = Flow("long", checkpoint, FakeEngine({}), outputs=tuple(checkpoint.heads))
    (block,) = [block for block in gather_blocks(["我" * n_pieces]) if block.texts]
    assert len(flow.prepare(block).sequences.bounds) - 1 == n_windows

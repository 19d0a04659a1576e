"""Families whose layers are not BERT's: in eight bits, and among neighbours, as the primitives for them differ."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.export.quantize import QuantizeOptions, quantize
from tests.builders import RECIPES, VOCAB, Recipe, build_reference, compute, random_sequences, write_vocab
from tests.quantised import TEXTS, needs_int8

FAMILIES = (
    *("modernbert", "modernbert-biased", "deberta-v3", "deberta-v2", "xlm-roberta-xl", "gte", "mpnet", "eurobert"),
    *("nezha", "roformer", "roformer-values"),
)
LENGTHS = (64, 5, 30, 9, 41, 64, 17)


@cache
def checkpoint_of(name: str) -> Checkpoint:
    folder = Path(_place().name) / name
    recipe = RECIPES[name]
    build_reference(folder, Recipe(recipe.model_type, {**recipe.settings, "vocab_size": len(VOCAB)}))
    write_vocab(folder, VOCAB)
    return open_checkpoint(folder)


@cache
def _place() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="lexel-families-")


def scores_of(checkpoint: Checkpoint, order: list[int], **options: Any) -> list[NDArray[np.float64]]:
    """The scores of each sequence, given in some order, in batches of several rows."""
    engine = start_engine(checkpoint, EngineOptions(threads=1, **options))
    config, alone = checkpoint.config, random_sequences(LENGTHS, n_pieces=len(VOCAB))
    parts = np.split(alone.ids, alone.bounds[1:-1])
    given = random_sequences([LENGTHS[i] for i in order])
    given.ids[:] = np.concatenate([parts[i] for i in order])
    found = compute(engine, given, ["entities"], max_length=config.max_positions, batch_pieces=256, pad=config.pad_id)
    by_place = dict(zip(order, np.split(found["entities"], given.bounds[1:-1]), strict=True))
    return [by_place[i] for i in sorted(order)]


@pytest.mark.parametrize("engine", ["openvino", "torch"])
@pytest.mark.parametrize("name", FAMILIES)
def test_neighbours_do_not_matter(name: str, engine: str) -> None:
    checkpoint = checkpoint_of(name)
    alone = [scores_of(checkpoint, [i], engine=engine, precision="float32")[0] for i in range(len(LENGTHS))]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(LENGTHS)).tolist()
        together = scores_of(checkpoint, order, engine=engine, precision="float32")
        assert max(np.abs(a - b).max() for a, b in zip(alone, together, strict=True)) <= 1e-5


@needs_int8
@pytest.mark.parametrize("name", FAMILIES)
def test_eight_bits_stay_close(name: str, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(name)
    quantize(checkpoint, tmp_path / "int8", calibration=TEXTS, options=QuantizeOptions(max_flips=1e3))
    order = list(range(len(LENGTHS)))
    exact, found = (
        np.concatenate(scores_of(one, order, precision=precision))
        for one, precision in ((checkpoint, "float32"), (open_checkpoint(tmp_path / "int8"), "int8"))
    )
    assert np.abs(probs_of(found) - probs_of(exact)).mean() <= 0.02


def probs_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))

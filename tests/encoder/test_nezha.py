"""What is special about NEZHA: vectors of distances, which its folders may hold or not, and its class for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from lexel.checkpoint import open_checkpoint
from lexel.encoder.families.nezha import distance_table
from lexel.engines.choose import EngineOptions, start_engine
from tests.builders import RECIPES, build_reference, compute, random_sequences
from tests.nezha import OracleNezha, relations


@pytest.mark.parametrize(("longest", "size"), [(3, 4), (64, 8), (9, 6)])
def test_the_vectors_of_distances_are_those_of_the_formula(longest: int, size: int) -> None:
    length = longest + 3
    places = np.clip(np.arange(length) - np.arange(length)[:, None], -longest, longest) + longest
    assert np.abs(distance_table(longest, size)[places] - relations(length, size, longest)).max() < 1e-14


def test_a_checkpoint_may_hold_its_vectors_of_distances(tmp_path: Path) -> None:
    build_reference(tmp_path, RECIPES["nezha"])
    path = tmp_path / "model.safetensors"
    name = "nezha.encoder.layer.0.attention.self.relative_positions_encoding.positions_encoding"
    save_file(load_file(path) | {name: torch.zeros(64, 64, 8)}, path)
    engine = start_engine(open_checkpoint(tmp_path), EngineOptions(engine="numpy"))
    assert np.isfinite(compute(engine, random_sequences((9,)), ["entities"], max_length=64)["entities"]).all()


def test_the_class_that_is_trained_computes_the_formula(tmp_path: Path) -> None:
    build_reference(tmp_path, RECIPES["nezha"])
    mine = AutoModel.from_pretrained(tmp_path, attn_implementation="eager", add_pooling_layer=False).eval()
    theirs = OracleNezha.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    ids = torch.from_numpy(random_sequences((40,)).ids[None].astype(np.int64))
    with torch.no_grad():
        found, expected = (model.double()(ids).last_hidden_state for model in (mine, theirs))
    assert (found - expected).abs().max() <= 1e-9


def test_its_attention_is_computed_in_rows(tmp_path: Path) -> None:
    build_reference(tmp_path, RECIPES["nezha"])
    assert not open_checkpoint(tmp_path).config.fits_segments

"""Training computes packed rows as transformers computes each sequence alone, with its own attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel

from lexel.training.data.rows import Batch
from lexel.training.model.model import MultiHead, build_encoder
from tests.builders import N_PIECES, RECIPES, build_reference

LENGTHS = (30, 5, 29)


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe != "roformer-values"])
def test_packed_rows_are_trained_as_transformers_computes_them_alone(tmp_path: Path, recipe: str) -> None:
    build_reference(tmp_path, RECIPES[recipe])
    config = AutoConfig.from_pretrained(tmp_path)
    model = MultiHead(build_encoder(str(tmp_path), config, seed=0), {}).eval()
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, N_PIECES, (1, sum(LENGTHS))))
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    sequences = torch.repeat_interleave(torch.arange(len(LENGTHS)) + 1, torch.tensor(LENGTHS))[None]
    batch = Batch(ids=ids, types=torch.zeros_like(ids), positions=positions, sequences=sequences, targets={})
    theirs = AutoModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        found = model.encode(batch)
        expected = torch.cat([theirs(part).last_hidden_state[0] for part in ids.split(LENGTHS, dim=1)])
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()

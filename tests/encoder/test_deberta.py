"""What is special about DeBERTa: buckets of distances, and settings that are not computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.config import read_config
from lexel.encoder.families.deberta import bucket_of
from lexel.errors import CheckpointError
from tests.builders import DEBERTA_V3, RECIPES, Recipe, build_reference, write_json
from tests.text.test_sentencepiece_file import model as model


@pytest.mark.parametrize(("n_buckets", "longest"), [(256, 512), (16, 64), (32, 1024), (256, 4096), (8, 20)])
def test_every_distance_has_the_bucket_that_transformers_gives_it(n_buckets: int, longest: int) -> None:
    distances = np.arange(1 - longest, longest)
    expected = make_log_bucket_position(torch.from_numpy(distances), n_buckets, longest).long().numpy()
    assert np.array_equal(bucket_of(distances, n_buckets=n_buckets, longest=longest), expected)


def test_its_attention_is_computed_in_rows(tmp_path: Path) -> None:
    build_reference(tmp_path, RECIPES["deberta-v3"])
    assert not open_checkpoint(tmp_path).config.fits_segments


def test_a_folder_with_spm_model_alone_is_read(tmp_path: Path, model: bytes) -> None:
    n = len(sentencepiece.SentencePieceProcessor(model_proto=model)) + 1
    build_reference(tmp_path, Recipe("deberta-v2", {**DEBERTA_V3, "vocab_size": n}))
    (tmp_path / "spm.model").write_bytes(model)
    text = "The European Union is in  Europe."
    document = lexel.load(tmp_path, precision="float32")(text)
    assert document.text == text
    assert all(text[span.start : span.end] == span.text for span in document.entities)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv_kernel_size": 3}, "conv_kernel_size is 3; expected 0; convolutions over neighbouring pieces"),
        ({"embedding_size": 16}, "embedding_size is 16; expected 32"),
    ],
)
def test_what_is_not_computed_is_refused_by_value(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    values = {**DEBERTA_V3, "model_type": "deberta-v2", "hidden_act": "gelu", "vocab_size": 99, **changes}
    write_json(tmp_path / "config.json", values)
    with pytest.raises(CheckpointError, match=message):
        read_config(tmp_path)

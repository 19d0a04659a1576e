"""What is special about DeBERTa: buckets of distances, and settings that are not computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, DebertaV2ForMaskedLM
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.config import read_config
from lexel.encoder.families.deberta import bucket_of
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import CheckpointError
from tests.builders import DEBERTA_V3, RECIPES, Recipe, build_reference, compute, random_sequences, write_json
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


def masked_model(folder: Path, *, keeps_positions: bool) -> tuple[Any, torch.Tensor]:
    """A folder with version 3's own head for masks, as published or as transformers saves it; and positions."""
    config = AutoConfig.for_model("deberta-v2", **DEBERTA_V3, legacy=False)
    torch.manual_seed(0)
    model = DebertaV2ForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    positions = torch.randn(64, 32)
    if keeps_positions:
        path = folder / "model.safetensors"
        save_file({**load_file(path), "deberta.embeddings.position_embeddings.weight": positions}, path)
    return model.double(), positions.double()


def by_the_decoder(model: Any, positions: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The published enhanced mask decoder, of transformers' layers: twice the last layer, queried with positions."""
    given = model.deberta(ids, output_hidden_states=True).hidden_states[-2]
    encoder, mask = model.deberta.encoder, torch.ones(1, 1, ids.shape[1], ids.shape[1])
    query = given + positions[: ids.shape[1]]
    for _ in range(2):
        query, _ = encoder.layer[-1](
            given,
            mask,
            query_states=query,
            relative_pos=encoder.get_rel_pos(given),
            rel_embeddings=encoder.get_rel_embedding(),
        )
    scores: torch.Tensor = model.lm_predictions(query, model.deberta.embeddings.word_embeddings)
    return scores


@pytest.mark.parametrize("keeps_positions", [True, False])
@pytest.mark.parametrize(("engine", "tolerance"), [("numpy", 1e-9), ("openvino", 1e-5), ("torch", 1e-5)])
def test_masks_are_filled_by_the_enhanced_decoder_where_the_folder_has_its_positions(
    tmp_path: Path, engine: str, tolerance: float, keeps_positions: bool
) -> None:
    model, positions = masked_model(tmp_path, keeps_positions=keeps_positions)
    sequences = random_sequences((30, 7, 20))
    parts = [torch.from_numpy(part[None].astype(np.int64)) for part in np.split(sequences.ids, [30, 37])]
    with torch.no_grad():
        decoded = [by_the_decoder(model, positions, part) if keeps_positions else model(part).logits for part in parts]
    expected = torch.cat([one[0] for one in decoded]).numpy()
    options = EngineOptions(engine=engine, precision="auto" if engine == "numpy" else "float32", threads=1)
    found = compute(start_engine(open_checkpoint(tmp_path), options), sequences, ["fill"], max_length=64)["fill"]
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


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

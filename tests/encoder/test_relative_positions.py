"""BERT with relative positions, which transformers computed until version 4 and has silently ignored since.

The oracle is transformers' class of today with the published formula as its attention
(https://arxiv.org/abs/2009.13658, methods 1 and 4 of its section 3).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AttentionInterface, AutoConfig, AutoModel

from lexel.checkpoint import open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import OptionError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.loop.fit import train
from tests.builders import RECIPES, VOCAB, compute, random_sequences, write_json, write_vocab

KINDS = ("relative_key", "relative_key_query")
LENGTHS = (40, 1, 9, 14)


def by_formula(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **_: Any
) -> tuple[torch.Tensor, None]:
    """Attention whose scores have a term for each distance, from 0 on the diagonal."""
    length, table = query.shape[2], module.distances
    distance = torch.arange(length)[:, None] - torch.arange(length)
    rows = table[distance + (len(table) - 1) // 2].to(query.dtype)
    scores = query @ key.transpose(2, 3) + torch.einsum("bhld,lrd->bhlr", query, rows)
    if module.of_keys:
        scores = scores + torch.einsum("bhrd,lrd->bhlr", key, rows)
    return (torch.softmax(scores / query.shape[3] ** 0.5, dim=-1) @ value).transpose(1, 2), None


@pytest.fixture(scope="module", autouse=True)
def _known() -> None:
    AttentionInterface.register("by_formula", by_formula)


def build_model(folder: Path, recipe: str, kind: str) -> Any:
    """A folder as transformers 4 wrote it; gives the oracle in float64."""
    settings = RECIPES[recipe].settings
    config = AutoConfig.for_model(RECIPES[recipe].model_type, **settings, attn_implementation="by_formula")
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    tensors = dict(model.state_dict())
    size, n = config.hidden_size // config.num_attention_heads, config.max_position_embeddings
    for name, module in model.named_modules():
        if name.endswith(("attention.self", "albert_layers.0.attention")):
            module.distances, module.of_keys = torch.randn(2 * n - 1, size) * 0.5, kind == "relative_key_query"
            tensors[f"{name}.distance_embedding.weight"] = module.distances
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    values = {**config.to_dict(), "position_embedding_type": kind, "architectures": None}
    write_json(folder / "config.json", {key: value for key, value in values.items() if key != "attn_implementation"})
    torch.nn.init.zeros_(model.embeddings.position_embeddings.weight)
    return model.double()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", ["bert", "roberta", "albert"])
@pytest.mark.parametrize(("engine", "tolerance"), [("numpy", 1e-9), ("openvino", 1e-5), ("torch", 1e-5)])
def test_distances_count_as_the_formula_says(
    tmp_path: Path, recipe: str, kind: str, engine: str, tolerance: float
) -> None:
    model = build_model(tmp_path, recipe, kind)
    checkpoint = open_checkpoint(tmp_path)
    precision = "float64" if engine == "numpy" else "float32"
    started = start_engine(checkpoint, EngineOptions(engine=engine, precision=precision, threads=1))
    sequences = random_sequences(LENGTHS)
    found = compute(started, sequences, ["hidden.3"], max_length=64)["hidden.3"]
    parts = np.split(sequences.ids, sequences.bounds[1:-1])
    with torch.no_grad():
        given = [model(torch.from_numpy(part[None].astype(np.int64))).last_hidden_state[0].numpy() for part in parts]
    expected = np.concatenate(given)
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_attention_with_distances_is_computed_in_rows(tmp_path: Path) -> None:
    build_model(tmp_path, "bert", "relative_key")
    assert not open_checkpoint(tmp_path).config.fits_segments


def test_training_would_ignore_the_distances_and_is_refused(tmp_path: Path) -> None:
    build_model(tmp_path, "bert", "relative_key")
    write_vocab(tmp_path, VOCAB[:99])
    (tmp_path / "a.jsonl").write_text('{"text": "我在", "words": [[0, 1], [1, 2]]}\n', encoding="utf-8")
    options = TrainingOptions(
        train=(DataFile(path=str(tmp_path / "a.jsonl")),),
        heads={"words": HeadOptions(task="words")},
        output_dir=str(tmp_path / "out"),
        model=str(tmp_path),
        threads=1,
    )
    with pytest.raises(OptionError, match="position_embedding_type is 'relative_key', which training does not compute"):
        train(options)

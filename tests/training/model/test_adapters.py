"""Bottleneck adapters: what torch trains is what every engine runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification
from transformers.utils import logging

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.packing import Sequences
from lexel.errors import WeightError
from lexel.training.model.adapters import insert_adapters, layers_of
from tests.builders import ENTITIES, RECIPES, build_reference, compute, in_float64, random_sequences

LENGTHS = (20, 1, 7, 33)
FAMILIES = (
    *("bert", "roberta", "electra", "albert-groups", "distilbert", "modernbert", "deberta-v3", "megatron-bert"),
    *("gte", "nomic-bert", "jina-embeddings-v3", "mpnet", "eurobert"),
)
SIZE = 5


def adapted(folder: Path, recipe: str) -> Any:
    """Transformers' token classifier with adapters that do something, in float64; its folder says so to Lexel."""
    logging.disable_progress_bar()
    build_reference(folder, RECIPES[recipe])
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    torch.manual_seed(3)
    adapters = insert_adapters(model.base_model, size=SIZE, activation="gelu")
    for parameter in adapters.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        tensors | {f"adapters.{name}": tensor for name, tensor in adapters.state_dict().items()},
        folder / "model.safetensors",
    )
    head = {"task": "entities", "labels": list(ENTITIES), "scheme": "BIO", "prefix": "classifier"}
    values = {"format": 1, "pieces": "tokenizer", "heads": {"entities": head}}
    (folder / "lexel.json").write_text(json.dumps({**values, "adapter": {"size": SIZE, "activation": "gelu"}}))
    adapters.double()
    return in_float64(model)


def scores_alone(model: Any, checkpoint: Checkpoint, sequences: Sequences) -> np.ndarray:
    """Transformers' scores, one sequence at a time."""
    parts = []
    for start, end in zip(sequences.bounds, sequences.bounds[1:], strict=False):
        inputs = {"input_ids": torch.from_numpy(sequences.ids[None, start:end].astype(np.int64))}
        if checkpoint.config.n_types:
            inputs["token_type_ids"] = torch.from_numpy(sequences.type_ids[None, start:end].astype(np.int64))
        with torch.no_grad():
            parts.append(model(**inputs).logits[0].numpy())
    return np.concatenate(parts)


def scores_of(engine: str, checkpoint: Checkpoint, sequences: Sequences) -> np.ndarray:
    """An engine's scores in float32 or better."""
    precision = "auto" if engine == "numpy" else "float32"
    started = start_engine(checkpoint, EngineOptions(engine=engine, precision=precision, threads=1))
    config = checkpoint.config
    return compute(started, sequences, ["entities"], max_length=config.max_positions, pad=config.pad_id)["entities"]


@pytest.mark.parametrize("recipe", FAMILIES)
def test_every_engine_gives_what_torch_trained(tmp_path: Path, recipe: str) -> None:
    model = adapted(tmp_path / "model", recipe)
    checkpoint = open_checkpoint(tmp_path / "model")
    sequences = random_sequences(LENGTHS, n_types=checkpoint.config.n_types)
    expected = scores_alone(model, checkpoint, sequences)
    for engine, tolerance in (("numpy", 1e-9), ("openvino", 1e-4), ("torch", 1e-4)):
        scores = scores_of(engine, checkpoint, sequences)
        assert np.abs(scores - expected).max() <= tolerance * np.abs(expected).max(), engine


def test_they_begin_as_the_identity(tmp_path: Path) -> None:
    model = build_reference(tmp_path, RECIPES["bert"])
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        before = model(ids).logits
        insert_adapters(model.base_model, size=SIZE, activation="relu")
        assert torch.equal(model(ids).logits, before)


def test_a_layer_that_stands_in_several_turns_has_one_pair(tmp_path: Path) -> None:
    model = build_reference(tmp_path, RECIPES["albert-groups"])
    adapters = insert_adapters(model.base_model, size=SIZE, activation="relu")
    assert len(adapters) == len(layers_of(model.base_model)) == 4


def test_the_encoder_keeps_the_names_of_its_parameters(tmp_path: Path) -> None:
    model = build_reference(tmp_path, RECIPES["bert"])
    before = list(model.state_dict())
    insert_adapters(model.base_model, size=SIZE, activation="relu")
    assert list(model.state_dict()) == before


def test_adapters_that_lexel_json_does_not_speak_of_are_refused(tmp_path: Path) -> None:
    adapted(tmp_path, "bert")
    values = json.loads((tmp_path / "lexel.json").read_text())
    del values["adapter"]
    (tmp_path / "lexel.json").write_text(json.dumps(values))
    with pytest.raises(WeightError, match=r"belong to no part.*adapters\.0\.attention"):
        start_engine(open_checkpoint(tmp_path), EngineOptions(engine="numpy"))


def test_adapters_that_are_not_there_are_named(tmp_path: Path) -> None:
    build_reference(tmp_path, RECIPES["bert"])
    head = {"task": "entities", "labels": list(ENTITIES), "scheme": "BIO", "prefix": "classifier"}
    values = {"format": 1, "pieces": "tokenizer", "heads": {"entities": head}}
    (tmp_path / "lexel.json").write_text(json.dumps({**values, "adapter": {"size": SIZE, "activation": "gelu"}}))
    with pytest.raises(WeightError, match=r"no tensor 'adapters\.0\.attention\.down\.weight'"):
        start_engine(open_checkpoint(tmp_path), EngineOptions(engine="numpy"))

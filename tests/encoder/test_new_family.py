"""A family that nobody has heard of, in this one file: it is read, computed, trained, saved and described.

Its record and builder come first, as they would stand in ``lexel/encoder/families/toyformer.py``; then its class of
transformers, which its authors would have written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.encoder.families import BY_MODEL_TYPE, bert
from lexel.encoder.family import (
    EmbeddingNames,
    Family,
    FillNames,
    HeadNames,
    LayerNames,
    ModelConfig,
    ModelType,
    Weights,
)
from lexel.encoder.layers import Encoder
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_layer, read_layer_norm
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import OptionError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.loop.fit import train
from tests.builders import ENTITIES, VOCAB, compute, random_sequences, write_json, write_vocab

T = TypeVar("T")

# The family ----------------------------------------------------------------------------------------------------------


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """Norms stand before the parts of a layer, and once more behind the last layer."""
    family, base = config.family, weights.base(config.family.prefix)
    names = [family.layers.replace("*", str(i)) for i in range(config.n_layers)]
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [read_layer(ops, config, base.at(name), family.layer) for name in names],
        norm=read_layer_norm(ops, base, "last_norm", config.hidden_size, config.layer_norm_eps),
    )


FAMILY = Family(
    name="toyformer",
    model_types={"toyformer": ModelType("Toyformer", "Toyformer")},
    build=build,
    required={
        "vocab_size": "n_tokens",
        "hidden_size": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "intermediate_size": "width",
        "max_positions": "places",
        "activation": "act",
    },
    optional={"pad_id": "pad_token_id"},
    defaults={"layer_norm_eps": 1e-5, "n_types": 0, "pad_id": 0},
    prefix="toy",
    embeddings=EmbeddingNames("table.token", "table.place", None, "table.norm"),
    layers="blocks.*",
    layer=LayerNames("att.q", "att.k", "att.v", "att.o", "norm_1", "mlp.up", "mlp.down", "norm_2", norm_first=True),
    fill=FillNames("lm", "lm.dense", "lm.norm", "lm.decoder", "lm.bias"),
    classify=HeadNames("pre", "classifier"),
    skips_padding_position=True,
    has_pooler=False,
)

# Its class -----------------------------------------------------------------------------------------------------------


class ToyformerConfig(PretrainedConfig):  # type: ignore[misc]
    model_type = "toyformer"
    n_tokens: int = len(VOCAB)
    hidden_size: int = 16
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    width: int = 24
    places: int = 33
    act: str = "gelu"
    pad_token_id: int = 0
    attribute_map = {"vocab_size": "n_tokens"}  # noqa: RUF012


class Attention(nn.Module):  # type: ignore[misc]
    def __init__(self, config: ToyformerConfig) -> None:
        super().__init__()
        self.config, self.n_heads, self.is_causal = config, config.num_attention_heads, False
        self.q, self.k, self.v, self.o = (nn.Linear(config.hidden_size, config.hidden_size) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        heads = [part(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in (self.q, self.k, self.v)]
        attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        mixed, _ = attend(self, *heads, mask)
        return self.o(mixed.flatten(2))  # type: ignore[no-any-return]


class Feed(nn.Module):  # type: ignore[misc]
    def __init__(self, config: ToyformerConfig) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(config.hidden_size, config.width), nn.Linear(config.width, config.hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(nn.functional.gelu(self.up(x)))  # type: ignore[no-any-return]


class Block(nn.Module):  # type: ignore[misc]
    def __init__(self, config: ToyformerConfig) -> None:
        super().__init__()
        self.att, self.mlp = Attention(config), Feed(config)
        self.norm_1, self.norm_2 = nn.LayerNorm(config.hidden_size), nn.LayerNorm(config.hidden_size)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = x + self.att(self.norm_1(x), mask)
        return x + self.mlp(self.norm_2(x))  # type: ignore[no-any-return]


class Table(nn.Module):  # type: ignore[misc]
    def __init__(self, config: ToyformerConfig) -> None:
        super().__init__()
        self.token = nn.Embedding(config.n_tokens, config.hidden_size)
        self.place = nn.Embedding(config.places, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)


class ToyformerModel(PreTrainedModel):  # type: ignore[misc]
    config_class = ToyformerConfig
    base_model_prefix = "toy"
    _supports_sdpa = _supports_attention_backend = True

    def __init__(self, config: ToyformerConfig) -> None:
        super().__init__(config)
        self.table, self.last_norm = Table(config), nn.LayerNorm(config.hidden_size)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.table.token

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        **_: Any,
    ) -> BaseModelOutput:
        places = torch.arange(input_ids.shape[1])[None] + 1 if position_ids is None else position_ids
        x = self.table.norm(self.table.token(input_ids) + self.table.place(places))
        for block in self.blocks:
            x = block(x, attention_mask)
        return BaseModelOutput(last_hidden_state=self.last_norm(x))


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The family in Lexel's table, and its class in transformers'."""
    monkeypatch.setitem(BY_MODEL_TYPE, "toyformer", FAMILY)
    AutoConfig.register("toyformer", ToyformerConfig, exist_ok=True)
    AutoModel.register(ToyformerConfig, ToyformerModel, exist_ok=True)
    yield
    CONFIG_MAPPING._extra_content.pop("toyformer")
    MODEL_MAPPING._extra_content.pop(ToyformerConfig)


# What it does --------------------------------------------------------------------------------------------------------


def tokenizer(folder: Path) -> Path:
    folder.mkdir()
    write_vocab(folder, VOCAB)
    return folder


def trained(tmp_path: Path, **more: Any) -> Path:
    """A folder that training made of random weights."""
    record = {"text": "我在臺北 他不在", "words": [[0, 1], [1, 2], [2, 4], [5, 6], [6, 8]], "entities": [[2, 4, "LOC"]]}
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    asked: dict[str, Any] = {
        "config": {"model_type": "toyformer"},
        "tokenizer": str(tokenizer(tmp_path / "tokenizer")),
        "heads": {"entities": HeadOptions(task="entities", labels=ENTITIES)},
        **more,
    }
    files = (DataFile(path=str(tmp_path / "a.jsonl")),)
    options = TrainingOptions(train=files, output_dir=str(tmp_path / "out"), max_steps=2, threads=1, **asked)
    return train(options).folder


@pytest.mark.parametrize(("engine", "tolerance"), [("numpy", 1e-9), ("openvino", 1e-5), ("torch", 1e-5)])
def test_it_is_computed_as_its_class_computes_it(tmp_path: Path, engine: str, tolerance: float) -> None:
    torch.manual_seed(0)
    model = ToyformerModel(ToyformerConfig(architectures=["ToyformerModel"])).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(mean=float(parameter.ndim == 1), std=0.3)
    model.save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.config.max_positions == 32
    sequences = random_sequences((32, 1, 9, 14, 5), n_pieces=len(VOCAB))
    started = start_engine(checkpoint, EngineOptions(engine=engine, precision=precision_of(engine), threads=1))
    found = compute(started, sequences, ["hidden.2"], max_length=32)["hidden.2"]
    parts = np.split(sequences.ids, sequences.bounds[1:-1])
    with torch.no_grad():
        given = [model.double()(torch.from_numpy(part[None].astype(np.int64))) for part in parts]
    expected = np.concatenate([one.last_hidden_state[0].numpy() for one in given])
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def precision_of(engine: str) -> str:
    return "float64" if engine == "numpy" else "float32"


@pytest.mark.parametrize(
    "more", [{}, {"method": "lora"}, {"method": "adapter"}, {"optim": "muon", "layer_decay": 0.9}], ids=str
)
def test_it_is_trained_saved_and_loaded(tmp_path: Path, more: dict[str, Any]) -> None:
    folder = trained(tmp_path, **more)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["ToyformerForTokenClassification"]
    assert {"toy.table.place.weight", "toy.blocks.1.mlp.up.weight", "classifier.bias"} <= set(
        load_file(folder / "model.safetensors")
    )
    document = lexel.load(folder)("我在臺北")
    assert document.text == "我在臺北"
    assert "entities" in document.layers


def test_it_is_trained_from_a_folder_of_its_own(tmp_path: Path) -> None:
    base = tmp_path / "base"
    ToyformerModel(ToyformerConfig()).save_pretrained(base)
    write_vocab(base, VOCAB)
    write_json(base / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": {}})
    folder = trained(tmp_path, config={}, tokenizer=None, model=str(base), method="head")
    before, after = load_file(base / "model.safetensors"), load_file(folder / "model.safetensors")
    assert all(np.array_equal(tensor, after[f"toy.{name}"]) for name, tensor in before.items())


def test_a_window_that_training_would_lose_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_MODEL_TYPE, "toyformer", replace(FAMILY, window="span"))
    with pytest.raises(OptionError, match=r"span is 8, so some layers of this toyformer see 4 pieces .* up to 32\."):
        trained(tmp_path, config={"model_type": "toyformer", "span": 8})


def test_a_window_wider_than_every_sequence_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_MODEL_TYPE, "toyformer", replace(FAMILY, window="span"))
    assert (trained(tmp_path, config={"model_type": "toyformer", "span": 62}) / "model.safetensors").exists()


def test_its_card_calls_it_by_its_name(tmp_path: Path) -> None:
    card = (trained(tmp_path) / "README.md").read_text(encoding="utf-8")
    assert "Toyformer (2 layers of 16" in card

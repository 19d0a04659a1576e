"""Jina embeddings v3 (Sturua et al. 2024, https://arxiv.org/abs/2409.10173): XLM-RoBERTa with rotary positions.

Published checkpoints store query, key and value in one tensor; the names of transformers' own modules are also read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from lexel.encoder.families import bert, gte
from lexel.encoder.family import (
    Family,
    FillNames,
    HeadNames,
    ModelConfig,
    ModelType,
    Weights,
)
from lexel.encoder.layers import Brick, Encoder, FeedForward
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_linear, rotary_base

T = TypeVar("T")

_ORIGINAL = {
    "layers": "encoder.layers",
    "embeddings.LayerNorm": "emb_ln",
    "self_attn.o_proj": "mixer.out_proj",
    "self_attn.qkv_proj": "mixer.Wqkv",
    "post_attention_layernorm": "norm1",
    "post_mlp_layernorm": "norm2",
}
"""The names of the parts in published checkpoints."""


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a Jina embeddings v3 checkpoint."""
    return gte.build_rotary_bert(
        ops,
        config,
        weights,
        original=_ORIGINAL,
        read_feed_forward=_read_feed_forward,
    )


def _read_feed_forward(ops: Ops[T], config: ModelConfig, layer: Weights) -> Brick[T]:
    hidden, inner = config.hidden_size, config.intermediate_size
    return FeedForward(
        ops,
        inner=read_linear(ops, layer, "mlp.fc1", (inner, hidden)),
        outer=read_linear(ops, layer, "mlp.fc2", (hidden, inner)),
        activation=config.activation,
    )


FAMILY = Family(
    name="jina_embeddings_v3",
    model_types={"jina_embeddings_v3": ModelType("Jina embeddings v3", "JinaEmbeddingsV3")},
    build=build,
    required=bert.REQUIRED,
    optional=bert.OPTIONAL,
    defaults={"layer_norm_eps": 1e-5, "n_types": 1, "pad_id": 1},
    read_more=lambda values: rotary_base(values, default=20_000.0),
    prefix="roberta",
    embeddings=gte.FAMILY.embeddings,
    layers="layers.*",
    layer=replace(gte.FAMILY.layer, inner="mlp.fc1", outer="mlp.fc2"),
    fill=FillNames(
        "lm_head",
        dense="lm_head.dense",
        norm="lm_head.layer_norm",
        decoder="lm_head.decoder",
        bias="lm_head.bias",
        activation="gelu",
    ),
    classify=HeadNames("classifier.dense", "classifier.out_proj"),
    unused=[("lm_head.*", "its pre-training head"), ("*pooler.*", "the map of its first piece")],
)

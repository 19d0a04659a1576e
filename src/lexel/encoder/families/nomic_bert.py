"""NomicBERT (Nussbaum et al. 2024, https://arxiv.org/abs/2402.01613): rotary positions, gated, without biases.

Published checkpoints store query, key and value in one tensor; the names of transformers' own modules are also read.
"""

from __future__ import annotations

from typing import TypeVar

from lexel.encoder.families import bert, gte
from lexel.encoder.family import Family, FillNames, HeadNames, ModelConfig, ModelType, Weights
from lexel.encoder.layers import Brick, Encoder, GatedFeedForward
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_linear, rotary_base

T = TypeVar("T")

_ORIGINAL = {
    "layers": "encoder.layers",
    "embeddings.LayerNorm": "emb_ln",
    "self_attn.o_proj": "attn.out_proj",
    "self_attn.qkv_proj": "attn.Wqkv",
    "mlp.up_proj": "mlp.fc11",
    "mlp.gate_proj": "mlp.fc12",
    "mlp.down_proj": "mlp.fc2",
    "post_attention_layernorm": "norm1",
    "post_mlp_layernorm": "norm2",
}
"""The names of the parts in published checkpoints."""


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a NomicBERT checkpoint."""
    return gte.build_rotary_bert(
        ops,
        config,
        weights,
        original=_ORIGINAL,
        read_feed_forward=_read_feed_forward,
        has_bias=False,
    )


def _read_feed_forward(ops: Ops[T], config: ModelConfig, layer: Weights) -> Brick[T]:
    hidden, inner = config.hidden_size, config.intermediate_size
    wide, gate, outer = (
        read_linear(ops, layer, f"mlp.{name}_proj", shape, has_bias=False)
        for name, shape in (("gate", (inner, hidden)), ("up", (inner, hidden)), ("down", (hidden, inner)))
    )
    return GatedFeedForward(ops, wide, gate, outer, config.activation)


FAMILY = Family(
    name="nomic_bert",
    model_types={"nomic_bert": ModelType("NomicBERT", "NomicBert")},
    build=build,
    required=bert.REQUIRED,
    optional=bert.OPTIONAL,
    defaults={"layer_norm_eps": 1e-12, "n_types": 2, "pad_id": 0},
    read_more=lambda values: rotary_base(values, default=1_000.0),
    prefix="nomic_bert",
    embeddings=gte.FAMILY.embeddings,
    layers="layers.*",
    layer=gte.FAMILY.layer,
    fill=FillNames(
        "cls.predictions",
        dense="cls.predictions.transform.dense",
        norm="cls.predictions.transform.layer_norm",
        decoder="cls.predictions.decoder",
        bias="cls.predictions.bias",
    ),
    classify=HeadNames("nomic_bert.pooler.dense", "classifier"),
    unused=[("cls.*", "its pre-training head"), ("*pooler.*", "the map of its first piece")],
)

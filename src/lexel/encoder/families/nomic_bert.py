"""NomicBERT (Nussbaum et al. 2024, https://arxiv.org/abs/2402.01613): rotary positions, gated, and without biases.

Published checkpoints keep query, key and value in one tensor; the names of transformers' own modules are read, too.
"""

from __future__ import annotations

from typing import TypeVar

from lexel.encoder.families import bert, gte
from lexel.encoder.family import EmbeddingNames, Family, FillNames, HeadNames, ModelConfig, ModelType, Weights
from lexel.encoder.layers import Encoder, GatedFeedForward, Layer
from lexel.encoder.ops import Ops
from lexel.encoder.read import Renamed, read_attention, read_layer_norm, read_linear, rotary_base

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
"""What published checkpoints call the parts."""


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a NomicBERT checkpoint."""
    base = weights.base(config.family.prefix)
    if base.has("emb_ln.weight"):
        base = Renamed(base, _ORIGINAL)
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [_read_layer(ops, config, base.at(f"layers.{i}")) for i in range(config.n_layers)],
        scopes=[gte.build_scope(ops, config)],
    )


def _read_layer(ops: Ops[T], config: ModelConfig, weights: Weights) -> Layer[T]:
    hidden, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
    wide, gate = (
        read_linear(ops, weights, f"mlp.{name}_proj", (inner, hidden), has_bias=False) for name in ("gate", "up")
    )
    outer = read_linear(ops, weights, "mlp.down_proj", (hidden, inner), has_bias=False)
    return Layer(
        ops,
        read_attention(ops, config, weights, config.family.layer, fused="self_attn.qkv_proj", has_bias=False),
        read_layer_norm(ops, weights, "post_attention_layernorm", hidden, eps),
        GatedFeedForward(ops, wide, gate, outer, config.activation),
        read_layer_norm(ops, weights, "post_mlp_layernorm", hidden, eps),
    )


FAMILY = Family(
    name="nomic_bert",
    model_types={"nomic_bert": ModelType("NomicBERT", "NomicBert")},
    build=build,
    required=bert.REQUIRED,
    optional=bert.OPTIONAL,
    defaults={"layer_norm_eps": 1e-12, "n_types": 2, "pad_id": 0},
    read_more=lambda values: rotary_base(values, default=1_000.0),
    prefix="nomic_bert",
    embeddings=EmbeddingNames(
        "embeddings.word_embeddings", None, "embeddings.token_type_embeddings", "embeddings.LayerNorm"
    ),
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

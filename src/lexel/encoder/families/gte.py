"""GTE (Zhang et al. 2024, https://arxiv.org/abs/2407.19669): BERT with rotary positions and a gated feed-forward part.

Checkpoints keep query, key and value in one tensor, and both maps of the gate in another; the names of transformers'
own modules are read, too.
"""

from __future__ import annotations

from typing import TypeVar

from lexel.encoder.families import bert
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
from lexel.encoder.layers import Encoder, GatedFeedForward, Layer, Scope
from lexel.encoder.ops import Ops
from lexel.encoder.read import (
    Renamed,
    build_rotary,
    read_attention,
    read_layer_norm,
    read_linear,
    read_maps,
    rotary_base,
)

T = TypeVar("T")

_ORIGINAL = {
    "layers": "encoder.layer",
    "self_attn.o_proj": "attention.o_proj",
    "self_attn.qkv_proj": "attention.qkv_proj",
    "post_attention_layernorm": "attn_ln",
    "post_mlp_layernorm": "mlp_ln",
}
"""What published checkpoints call the parts of a layer."""


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a GTE checkpoint."""
    base = weights.base(config.family.prefix)
    if base.has("encoder.layer.0.attn_ln.weight"):
        base = Renamed(base, _ORIGINAL)
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [_read_layer(ops, config, base.at(f"layers.{i}")) for i in range(config.n_layers)],
        scopes=[build_scope(ops, config)],
    )


def build_scope(ops: Ops[T], config: ModelConfig) -> Scope[T]:
    """Whole sequences with rotary positions; their base is ``config.more``."""
    assert isinstance(config.more, float)
    return Scope(rotary=build_rotary(ops, base=config.more, size=config.head_size, n_positions=config.max_positions))


def _read_layer(ops: Ops[T], config: ModelConfig, weights: Weights) -> Layer[T]:
    hidden, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
    gate, wide = read_maps(
        ops, weights, ("mlp.up_proj", "mlp.gate_proj"), (inner, hidden), fused="mlp.up_gate_proj", has_bias=False
    )
    return Layer(
        ops,
        read_attention(ops, config, weights, config.family.layer, fused="self_attn.qkv_proj"),
        read_layer_norm(ops, weights, "post_attention_layernorm", hidden, eps),
        GatedFeedForward(
            ops, wide, gate, read_linear(ops, weights, "mlp.down_proj", (hidden, inner)), config.activation
        ),
        read_layer_norm(ops, weights, "post_mlp_layernorm", hidden, eps),
    )


FAMILY = Family(
    name="gte",
    model_types={"gte": ModelType("GTE", "Gte")},
    build=build,
    required=bert.REQUIRED,
    optional=bert.OPTIONAL,
    defaults={"layer_norm_eps": 1e-12, "n_types": 1, "pad_id": 1},
    read_more=lambda values: rotary_base(values, default=160_000.0),
    prefix="gte",
    embeddings=EmbeddingNames(
        "embeddings.word_embeddings", None, "embeddings.token_type_embeddings", "embeddings.LayerNorm"
    ),
    layers="layers.*",
    layer=LayerNames(
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        attention_output="self_attn.o_proj",
        attention_norm="post_attention_layernorm",
        inner="mlp.gate_proj",
        outer="mlp.down_proj",
        feed_forward_norm="post_mlp_layernorm",
    ),
    fill=FillNames(
        "lm_head",
        dense="lm_head.dense",
        norm="lm_head.norm",
        decoder="lm_head.decoder",
        bias="lm_head.decoder.bias",
        activation="gelu",
    ),
    classify=HeadNames("gte.pooler.dense", "classifier"),
    unused=[("lm_head.*", "its pre-training head"), ("*pooler.*", "the map of its first piece")],
    has_pooler=True,
)

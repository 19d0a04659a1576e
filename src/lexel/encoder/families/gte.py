"""GTE (Zhang et al. 2024, https://arxiv.org/abs/2407.19669): BERT with rotary positions and a gated feed-forward part.

Published checkpoints store query, key and value in one tensor, and both maps of the gate in another; the names of
transformers' own modules are also read. ``build_rotary_bert`` also serves other families that share this layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from lexel.encoder.layers import Brick, Encoder, GatedFeedForward, Layer, Scope
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
"""The names of the parts of a layer in published checkpoints."""


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a GTE checkpoint."""
    return build_rotary_bert(ops, config, weights, original=_ORIGINAL, read_feed_forward=_read_feed_forward)


def build_rotary_bert(
    ops: Ops[T],
    config: ModelConfig,
    weights: Weights,
    *,
    original: Mapping[str, str],
    read_feed_forward: Callable[[Ops[T], ModelConfig, Weights], Brick[T]],
    has_bias: bool = True,
) -> Encoder[T]:
    """BERT's layers over whole sequences with rotary positions.

    Args:
        ops: What computes.
        config: The model's config; the base of its rotary positions is ``more``.
        weights: The checkpoint's tensors.
        original: The names of the parts in published checkpoints, by the names of transformers' modules.
        read_feed_forward: Reads the feed-forward part of a layer.
        has_bias: Whether the maps of attention have biases.
    """
    names, hidden, eps = config.family.layer, config.hidden_size, config.layer_norm_eps
    base = weights.base(config.family.prefix)
    if not base.has(f"layers.0.{names.attention_norm}.weight"):
        base = Renamed(base, original)
    layers = [base.at(f"layers.{i}") for i in range(config.n_layers)]
    assert isinstance(config.more, float)
    rotary = build_rotary(ops, base=config.more, size=config.head_size, n_positions=config.max_positions)
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [
            Layer(
                ops,
                read_attention(ops, config, layer, names, fused="self_attn.qkv_proj", has_bias=has_bias),
                read_layer_norm(ops, layer, names.attention_norm, hidden, eps),
                read_feed_forward(ops, config, layer),
                read_layer_norm(ops, layer, names.feed_forward_norm, hidden, eps),
            )
            for layer in layers
        ],
        scopes=[Scope(rotary=rotary)],
    )


def _read_feed_forward(ops: Ops[T], config: ModelConfig, layer: Weights) -> Brick[T]:
    hidden, inner = config.hidden_size, config.intermediate_size
    names = ("mlp.up_proj", "mlp.gate_proj")
    gate, wide = read_maps(ops, layer, names, (inner, hidden), fused="mlp.up_gate_proj", has_bias=False)
    outer = read_linear(ops, layer, "mlp.down_proj", (hidden, inner))
    return GatedFeedForward(ops, wide, gate, outer, config.activation)


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

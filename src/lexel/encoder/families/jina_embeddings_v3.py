"""Jina embeddings v3 (Sturua et al. 2024, https://arxiv.org/abs/2409.10173): XLM-RoBERTa with rotary positions.

Published checkpoints keep query, key and value in one tensor; the names of transformers' own modules are read, too.
"""

from __future__ import annotations

from typing import TypeVar

from lexel.encoder.families import bert, gte
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
from lexel.encoder.layers import Encoder, FeedForward, Layer
from lexel.encoder.ops import Ops
from lexel.encoder.read import Renamed, read_attention, read_layer_norm, read_linear, rotary_base

T = TypeVar("T")

_ORIGINAL = {
    "layers": "encoder.layers",
    "embeddings.LayerNorm": "emb_ln",
    "self_attn.o_proj": "mixer.out_proj",
    "self_attn.qkv_proj": "mixer.Wqkv",
    "post_attention_layernorm": "norm1",
    "post_mlp_layernorm": "norm2",
}
"""What published checkpoints call the parts."""


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a Jina embeddings v3 checkpoint."""
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
    feed_forward = FeedForward(
        ops,
        inner=read_linear(ops, weights, "mlp.fc1", (inner, hidden)),
        outer=read_linear(ops, weights, "mlp.fc2", (hidden, inner)),
        activation=config.activation,
    )
    return Layer(
        ops,
        read_attention(ops, config, weights, config.family.layer, fused="self_attn.qkv_proj"),
        read_layer_norm(ops, weights, "post_attention_layernorm", hidden, eps),
        feed_forward,
        read_layer_norm(ops, weights, "post_mlp_layernorm", hidden, eps),
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
        inner="mlp.fc1",
        outer="mlp.fc2",
        feed_forward_norm="post_mlp_layernorm",
    ),
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

"""EuroBERT (Boizard et al. 2025, https://arxiv.org/abs/2503.05500): Llama's layers with bidirectional attention.

Pre-norm layers with RMS norm, rotary positions, a gated feed-forward part, and fewer heads for keys and values.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from lexel.encoder.layers import Encoder, GatedFeedForward, Layer, RmsNorm, Scope, SelfAttention
from lexel.encoder.ops import Ops
from lexel.encoder.read import build_rotary, read_constant, read_linear, rotary_base
from lexel.encoder.values import Values

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that only this family's config has.

    Attributes:
        base: Base of the rotary positions.
        n_key_value_heads: Number of key and value heads.
        attention_bias: Whether the maps of attention have biases.
        mlp_bias: The same for the feed-forward part.
    """

    base: float
    n_key_value_heads: int
    attention_bias: bool
    mlp_bias: bool


def read_settings(values: Values) -> Settings:
    """The settings of a ``config.json``."""
    n_heads = values.size("num_attention_heads")
    n_keys = values.size("num_key_value_heads", default=n_heads)
    if n_heads % n_keys:
        raise values.error("num_key_value_heads", f"a divisor of num_attention_heads ({n_heads})")
    if values.size("head_dim", default=values.size("hidden_size") // n_heads) * n_heads != values.get("hidden_size"):
        raise values.error("head_dim", "hidden_size divided by num_attention_heads")
    return Settings(
        base=rotary_base(values, default=10_000.0),
        n_key_value_heads=n_keys,
        attention_bias=values.flag("attention_bias", default=False),
        mlp_bias=values.flag("mlp_bias", default=False),
    )


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a EuroBERT checkpoint."""
    settings = config.more
    assert isinstance(settings, Settings)
    base = weights.base(config.family.prefix)
    rotary = build_rotary(ops, base=settings.base, size=config.head_size, n_positions=config.max_positions)
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [_read_layer(ops, config, settings, base.at(f"layers.{i}")) for i in range(config.n_layers)],
        scopes=[Scope(rotary=rotary)],
        norm=_read_norm(ops, config, base, "norm"),
    )


def _read_layer(ops: Ops[T], config: ModelConfig, settings: Settings, weights: Weights) -> Layer[T]:
    hidden, inner = config.hidden_size, config.intermediate_size
    of_keys = settings.n_key_value_heads * config.head_size
    widths = {"q_proj": (hidden, hidden), "k_proj": (of_keys, hidden), "v_proj": (of_keys, hidden)}
    query, key, value, output = (
        read_linear(ops, weights, f"self_attn.{name}", shape, has_bias=settings.attention_bias)
        for name, shape in {**widths, "o_proj": (hidden, hidden)}.items()
    )
    wide, gate, outer = (
        read_linear(ops, weights, f"mlp.{name}_proj", shape, has_bias=settings.mlp_bias)
        for name, shape in (("gate", (inner, hidden)), ("up", (inner, hidden)), ("down", (hidden, inner)))
    )
    return Layer(
        ops,
        SelfAttention(
            ops,
            query=query,
            key=key,
            value=value,
            output=output,
            n_heads=config.n_heads,
            head_size=config.head_size,
            n_key_value_heads=settings.n_key_value_heads,
        ),
        attention_norm=_read_norm(ops, config, weights, "input_layernorm"),
        feed_forward=GatedFeedForward(ops, wide, gate, outer, config.activation),
        feed_forward_norm=_read_norm(ops, config, weights, "post_attention_layernorm"),
        norm_first=True,
    )


def _read_norm(ops: Ops[T], config: ModelConfig, weights: Weights, name: str) -> RmsNorm[T]:
    weight = read_constant(ops, weights, f"{name}.weight", (config.hidden_size,), is_exact=True)
    return RmsNorm(ops, weight, config.layer_norm_eps)


FAMILY = Family(
    name="eurobert",
    model_types={"eurobert": ModelType("EuroBERT", "EuroBert")},
    build=build,
    required=bert.REQUIRED,
    optional={"layer_norm_eps": "rms_norm_eps", "pad_id": "pad_token_id"},
    defaults={"layer_norm_eps": 1e-5, "n_types": 0, "pad_id": 0},
    read_more=read_settings,
    prefix="model",
    embeddings=EmbeddingNames("embed_tokens", None, None, None),
    layers="layers.*",
    layer=LayerNames(
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        attention_output="self_attn.o_proj",
        attention_norm="input_layernorm",
        inner="mlp.gate_proj",
        outer="mlp.down_proj",
        feed_forward_norm="post_attention_layernorm",
        norm_first=True,
    ),
    last_norm="norm",
    fill=FillNames("lm_head", dense=None, norm=None, decoder="lm_head", bias="lm_head.bias", decoder_bias="mlp_bias"),
    classify=HeadNames("dense", "classifier", activation="gelu"),
    pooling="classifier_pooling",
    poolings={"bos": "first", "mean": "mean", "late": "scores"},
    unused=[("lm_head.*", "its pre-training head")],
    has_pooler=False,
)

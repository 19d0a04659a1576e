"""ModernBERT (Warner et al. 2024, https://arxiv.org/abs/2412.13663), also mmBERT: pre-norm layers, rotary positions.

Every third layer sees the whole sequence, the others a window; each kind has its own rotary base. Query, key and value
are one map, as are the feed-forward part's input and gate. The first layer has no norm before its attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

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
from lexel.encoder.layers import Brick, Embeddings, Encoder, GatedFeedForward, Layer, Scope, SelfAttention
from lexel.encoder.ops import Ops
from lexel.encoder.read import build_rotary, read_constant, read_layer_norm, read_linear, read_parts
from lexel.encoder.values import Values

T = TypeVar("T")

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_BASES = {_GLOBAL: 160_000.0, _LOCAL: 10_000.0}
_OLD_KEYS = {_GLOBAL: "global_rope_theta", _LOCAL: "local_rope_theta"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that only this family's config has.

    Attributes:
        layer_types: ``full_attention`` or ``sliding_attention`` per layer.
        window: Window width of layers with sliding attention.
        bases: Bases of the rotary positions by layer type.
        attention_bias: Whether the maps of attention have biases.
        mlp_bias: The same for the feed-forward part.
        norm_bias: The same for norms.
    """

    layer_types: tuple[str, ...]
    window: int
    bases: Mapping[str, float]
    attention_bias: bool
    mlp_bias: bool
    norm_bias: bool


def read_settings(values: Values) -> Settings:
    """The settings of a ``config.json``, in the form of transformers 5 or an earlier one."""
    n_layers, types = values.size("num_hidden_layers"), values.get("layer_types")
    if types is None:
        every = values.size("global_attn_every_n_layers", default=3)
        types = [_LOCAL if i % every else _GLOBAL for i in range(n_layers)]
    elif not isinstance(types, list) or len(types) != n_layers or not set(types) <= {_GLOBAL, _LOCAL}:
        raise values.error("layer_types", f"a list of {n_layers} names, each {_GLOBAL} or {_LOCAL}")
    if values.get("rope_scaling") is not None:
        raise values.error("rope_scaling", "none; scaled rotary positions are not supported")
    return Settings(
        layer_types=tuple(types),
        window=values.size("local_attention", default=128),
        bases={kind: _base(values, kind) for kind in _BASES},
        attention_bias=values.flag("attention_bias", default=False),
        mlp_bias=values.flag("mlp_bias", default=False),
        norm_bias=values.flag("norm_bias", default=False),
    )


def _base(values: Values, kind: str) -> float:
    rope: Any = values.get("rope_parameters") or {}
    own = rope.get(kind) if isinstance(rope, dict) else None
    if isinstance(own, dict):
        if own.get("rope_type", "default") != "default":
            raise values.error("rope_parameters", "rope_type default; scaled rotary positions are not supported")
        return Values(own, f"{values.where}: rope_parameters: {kind}").number("rope_theta", default=_BASES[kind])
    if kind == _LOCAL and values.has("local_rope_theta") and values.get("local_rope_theta") is None:
        return _base(values, _GLOBAL)
    return values.number(_OLD_KEYS[kind], default=_BASES[kind])


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a ModernBERT checkpoint."""
    settings = config.more
    assert isinstance(settings, Settings)
    base, eps = weights.base(config.family.prefix), config.layer_norm_eps
    used = sorted(set(settings.layer_types))
    rotary = {
        theta: build_rotary(ops, base=theta, size=config.head_size, n_positions=config.max_positions)
        for theta in sorted({settings.bases[kind] for kind in used})
    }
    embeddings = Embeddings(
        ops,
        pieces=read_constant(ops, base, "embeddings.tok_embeddings.weight", (config.vocab_size, config.hidden_size)),
        positions=None,
        types=None,
        norm=_read_norm(ops, config, settings, base, "embeddings.norm"),
    )
    return Encoder(
        ops,
        embeddings,
        [
            _read_layer(ops, config, settings, base.at(f"layers.{i}"), scope=used.index(kind), is_first=i == 0)
            for i, kind in enumerate(settings.layer_types)
        ],
        scopes=[Scope(settings.window if kind == _LOCAL else None, rotary[settings.bases[kind]]) for kind in used],
        norm=read_layer_norm(ops, base, "final_norm", config.hidden_size, eps, has_bias=settings.norm_bias),
    )


def _read_layer(
    ops: Ops[T], config: ModelConfig, settings: Settings, weights: Weights, *, scope: int, is_first: bool
) -> Layer[T]:
    hidden, inner = config.hidden_size, config.intermediate_size
    has_bias = settings.attention_bias
    query, key, value = read_parts(ops, weights, "attn.Wqkv", (hidden, hidden), ("query", "key", "value"), has_bias)
    wide, gate = read_parts(ops, weights, "mlp.Wi", (inner, hidden), ("inner", "gate"), settings.mlp_bias)
    return Layer(
        ops,
        SelfAttention(
            ops,
            query=query,
            key=key,
            value=value,
            output=read_linear(ops, weights, "attn.Wo", (hidden, hidden), has_bias=has_bias),
            n_heads=config.n_heads,
            head_size=config.head_size,
            scope=scope,
        ),
        attention_norm=None if is_first else _read_norm(ops, config, settings, weights, "attn_norm"),
        feed_forward=GatedFeedForward(
            ops,
            inner=wide,
            gate=gate,
            outer=read_linear(ops, weights, "mlp.Wo", (hidden, inner), has_bias=settings.mlp_bias),
            activation=config.activation,
        ),
        feed_forward_norm=_read_norm(ops, config, settings, weights, "mlp_norm"),
        norm_first=True,
    )


def _read_norm(ops: Ops[T], config: ModelConfig, settings: Settings, weights: Weights, name: str) -> Brick[T]:
    return read_layer_norm(ops, weights, name, config.hidden_size, config.layer_norm_eps, has_bias=settings.norm_bias)


_HEAD = HeadNames(
    "head.dense", "classifier", activation=None, norm="head.norm", dense_bias="classifier_bias", norm_bias="norm_bias"
)

FAMILY = Family(
    name="modernbert",
    model_types={"modernbert": ModelType("ModernBERT", "ModernBert")},
    build=build,
    required={
        "vocab_size": "vocab_size",
        "hidden_size": "hidden_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "activation": "hidden_activation",
    },
    optional={"layer_norm_eps": "norm_eps", "pad_id": "pad_token_id", "head_activation": "classifier_activation"},
    defaults={"layer_norm_eps": 1e-5, "n_types": 0, "pad_id": 50283},
    read_more=read_settings,
    prefix="model",
    embeddings=EmbeddingNames("embeddings.tok_embeddings", None, None, "embeddings.norm"),
    layers="layers.*",
    layer=LayerNames(
        query="attn.Wqkv",
        key="attn.Wqkv",
        value="attn.Wqkv",
        attention_output="attn.Wo",
        attention_norm="attn_norm",
        inner="mlp.Wi",
        outer="mlp.Wo",
        feed_forward_norm="mlp_norm",
        norm_first=True,
    ),
    last_norm="final_norm",
    fill=FillNames(
        "decoder",
        dense="head.dense",
        norm="head.norm",
        decoder="decoder",
        bias="decoder.bias",
        is_like_heads=True,
        dense_bias="classifier_bias",
        norm_bias="norm_bias",
        decoder_bias="decoder_bias",
    ),
    classify=_HEAD,
    tagging=_HEAD,
    answer=_HEAD,
    pooling="classifier_pooling",
    unused=[("head.*", "the map before its pre-training head's decoder"), ("decoder.*", "its pre-training head")],
    has_pooler=False,
    window="local_attention",
    masks={_GLOBAL: False, _LOCAL: True},
)

"""Bricks read from a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import numpy as np

from lexel.checkpoint.adapter import AdapterConfig
from lexel.checkpoint.config import ModelConfig
from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import (
    Adapter,
    FeedForward,
    Layer,
    LayerAdapters,
    LayerNorm,
    Linear,
    Rotary,
    SelfAttention,
)
from lexel.encoder.ops import Ops

T = TypeVar("T")


def read_linear(
    ops: Ops[T], weights: Weights, name: str, shape: tuple[int, int], *, has_bias: bool = True
) -> Linear[T]:
    """A linear map with weight ``[outputs, inputs]`` and, unless the family has none, bias ``[outputs]``."""
    weight = read_constant(ops, weights, f"{name}.weight", shape)
    bias = read_constant(ops, weights, f"{name}.bias", shape[:1], is_exact=True) if has_bias else None
    return Linear(ops, weight, bias)


def read_layer_norm(
    ops: Ops[T], weights: Weights, name: str, size: int, eps: float, *, has_bias: bool = True
) -> LayerNorm[T]:
    """A layer normalisation of ``size``."""
    weight = read_constant(ops, weights, f"{name}.weight", (size,), is_exact=True)
    bias = read_constant(ops, weights, f"{name}.bias", (size,), is_exact=True) if has_bias else None
    return LayerNorm(ops, weight, bias, eps)


def read_constant(ops: Ops[T], weights: Weights, name: str, shape: tuple[int, ...], *, is_exact: bool = False) -> T:
    """A tensor of the checkpoint as an engine's, under its own name."""
    return ops.constant(weights.tensor(name, shape), name=weights.full_name(name), is_exact=is_exact)


def build_rotary(ops: Ops[T], *, base: float, size: int, n_positions: int, is_interleaved: bool = False) -> Rotary[T]:
    """Rotary positions from 0: pair ``i`` of a head turns by ``base ** (-2 * i / size)`` a position."""
    angles = np.arange(n_positions)[:, None] * base ** (-np.arange(0, size, 2) / size)
    whole = np.repeat(angles, 2, axis=1) if is_interleaved else np.concatenate((angles, angles), axis=1)

    name = f"rotary.{base:g}"
    return Rotary(
        ops.constant(np.cos(whole), name=f"{name}.cos", is_exact=True),
        ops.constant(np.sin(whole), name=f"{name}.sin", is_exact=True),
        is_interleaved,
    )


@dataclass(frozen=True, slots=True)
class LayerNames:
    """What a family calls the parts of an encoder layer."""

    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    inner: str
    outer: str
    feed_forward_norm: str


def read_layer(ops: Ops[T], config: ModelConfig, weights: Weights, names: LayerNames) -> Layer[T]:
    """An encoder layer, by the family's names for its parts."""
    hidden, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
    return Layer(
        ops,
        attention=SelfAttention(
            ops,
            query=read_linear(ops, weights, names.query, (hidden, hidden)),
            key=read_linear(ops, weights, names.key, (hidden, hidden)),
            value=read_linear(ops, weights, names.value, (hidden, hidden)),
            output=read_linear(ops, weights, names.attention_output, (hidden, hidden)),
            n_heads=config.n_heads,
            head_size=hidden // config.n_heads,
        ),
        attention_norm=read_layer_norm(ops, weights, names.attention_norm, hidden, eps),
        feed_forward=FeedForward(
            ops,
            inner=read_linear(ops, weights, names.inner, (inner, hidden)),
            outer=read_linear(ops, weights, names.outer, (hidden, inner)),
            activation=config.activation,
        ),
        feed_forward_norm=read_layer_norm(ops, weights, names.feed_forward_norm, hidden, eps),
    )


def read_adapters(
    ops: Ops[T], adapter: AdapterConfig, weights: Weights, *, hidden_size: int
) -> Iterator[LayerAdapters[T]]:
    """The adapters of each layer that has weights of its own, ``adapters.N.attention`` and ``adapters.N.output``."""

    def read(place: Weights) -> Adapter[T]:
        down = read_linear(ops, place, "down", (adapter.size, hidden_size))
        return Adapter(ops, down, read_linear(ops, place, "up", (hidden_size, adapter.size)), adapter.activation)

    for i in count():
        layer = weights.at(f"adapters.{i}")
        yield LayerAdapters(read(layer.at("attention")), read(layer.at("output")))

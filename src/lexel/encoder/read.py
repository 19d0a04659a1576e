"""Bricks read from a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from numpy.typing import NDArray

from lexel.checkpoint.adapter import AdapterConfig
from lexel.checkpoint.config import ModelConfig
from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import Adapter, FeedForward, Layer, LayerAdapters, LayerNorm, Linear, SelfAttention
from lexel.encoder.ops import Ops

T = TypeVar("T")


def read_table(weights: Weights, name: str, shape: tuple[int, int]) -> NDArray[Any]:
    """An embedding table ``[vocab, hidden]``."""
    return weights.tensor(f"{name}.weight", shape)


def read_linear(ops: Ops[T], weights: Weights, name: str, shape: tuple[int, int]) -> Linear[T]:
    """A linear map with weight ``[outputs, inputs]`` and bias ``[outputs]``."""
    weight, bias = weights.linear(name, shape)
    return Linear(ops, ops.constant(weight), ops.constant(bias))


def read_layer_norm(ops: Ops[T], weights: Weights, name: str, size: int, eps: float) -> LayerNorm[T]:
    """A layer normalisation of ``size``."""
    weight, bias = weights.layer_norm(name, size)
    return LayerNorm(ops, ops.constant(weight), ops.constant(bias), eps)


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

"""Bricks read from a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from lexel.encoder.family import LayerNames, ModelConfig, Weights
from lexel.encoder.layers import FeedForward, Layer, LayerNorm, Linear, Relative, Rotary, SelfAttention
from lexel.encoder.ops import Ops

T = TypeVar("T")


def read_linear(
    ops: Ops[T], weights: Weights, name: str, shape: tuple[int, int], *, has_bias: bool = True
) -> Linear[T]:
    """A linear map with weight ``[outputs, inputs]`` and, unless the family has none, bias ``[outputs]``."""
    weight = read_constant(ops, weights, f"{name}.weight", shape)
    bias = read_constant(ops, weights, f"{name}.bias", shape[:1], is_exact=True) if has_bias else None
    return Linear(ops, weight, bias)


def read_parts(
    ops: Ops[T], weights: Weights, name: str, shape: tuple[int, int], parts: Sequence[str], has_bias: bool
) -> list[Linear[T]]:
    """Linear maps of one shape whose weights a checkpoint keeps in one tensor, one below the other.

    Args:
        ops: What computes.
        weights: Where they stand.
        name: The tensor's name without ``.weight``.
        shape: Of each map.
        parts: What to call them.
        has_bias: Whether there are biases.
    """
    n, full = len(parts), weights.full_name(name)
    whole = weights.tensor(f"{name}.weight", (n * shape[0], shape[1])).reshape(n, *shape)
    biases = weights.tensor(f"{name}.bias", (n * shape[0],)).reshape(n, shape[0]) if has_bias else [None] * n
    return [
        Linear(
            ops,
            ops.constant(weight, name=f"{full}.weight.{part}"),
            None if bias is None else ops.constant(bias, name=f"{full}.bias.{part}", is_exact=True),
        )
        for weight, bias, part in zip(whole, biases, parts, strict=True)
    ]


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


def read_layer(
    ops: Ops[T],
    config: ModelConfig,
    weights: Weights,
    names: LayerNames,
    *,
    relative: Relative[T] | None = None,
    scale: float | None = None,
) -> Layer[T]:
    """A layer of BERT's kind, by the family's names for its parts; see ``SelfAttention`` for the options."""
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
            head_size=config.head_size,
            relative=relative,
            scale=scale,
        ),
        attention_norm=read_layer_norm(ops, weights, names.attention_norm, hidden, eps),
        feed_forward=FeedForward(
            ops,
            inner=read_linear(ops, weights, names.inner, (inner, hidden)),
            outer=read_linear(ops, weights, names.outer, (hidden, inner)),
            activation=config.activation,
        ),
        feed_forward_norm=read_layer_norm(ops, weights, names.feed_forward_norm, hidden, eps),
        norm_first=names.norm_first,
    )

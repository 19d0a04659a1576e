"""Reads building blocks from a checkpoint's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexel.encoder.family import LayerNames, ModelConfig, Weights
from lexel.encoder.layers import FeedForward, Layer, LayerNorm, Linear, Relative, Rotary, SelfAttention
from lexel.encoder.ops import Ops
from lexel.encoder.values import Values

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
    """Linear maps of one shape whose weights a checkpoint stores stacked in one tensor.

    Args:
        ops: The engine.
        weights: The tensors.
        name: The tensor's name without ``.weight``.
        shape: The shape of each map.
        parts: Their names.
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


def read_maps(
    ops: Ops[T],
    weights: Weights,
    names: Sequence[str],
    shape: tuple[int, int],
    *,
    fused: str,
    has_bias: bool = True,
) -> list[Linear[T]]:
    """Linear maps of one shape, stored under their own names or together in one tensor ``fused``."""
    if weights.has(f"{fused}.weight"):
        return read_parts(ops, weights, fused, shape, [name.rpartition(".")[2] for name in names], has_bias)
    return [read_linear(ops, weights, name, shape, has_bias=has_bias) for name in names]


def read_attention(
    ops: Ops[T], config: ModelConfig, weights: Weights, names: LayerNames, *, fused: str, has_bias: bool = True
) -> SelfAttention[T]:
    """A layer's attention; query, key and value have separate tensors, or share ``fused``."""
    hidden = config.hidden_size
    asked = (names.query, names.key, names.value)
    query, key, value = read_maps(ops, weights, asked, (hidden, hidden), fused=fused, has_bias=has_bias)
    output = read_linear(ops, weights, names.attention_output, (hidden, hidden), has_bias=has_bias)
    return SelfAttention(ops, query, key, value, output, n_heads=config.n_heads, head_size=config.head_size)


def read_layer_norm(
    ops: Ops[T], weights: Weights, name: str, size: int, eps: float, *, has_bias: bool = True
) -> LayerNorm[T]:
    """A layer normalisation of ``size``."""
    weight = read_constant(ops, weights, f"{name}.weight", (size,), is_exact=True)
    bias = read_constant(ops, weights, f"{name}.bias", (size,), is_exact=True) if has_bias else None
    return LayerNorm(ops, weight, bias, eps)


def read_constant(ops: Ops[T], weights: Weights, name: str, shape: tuple[int, ...], *, is_exact: bool = False) -> T:
    """A tensor of the checkpoint as an engine's tensor, under its own name."""
    return ops.constant(weights.tensor(name, shape), name=weights.full_name(name), is_exact=is_exact)


def build_rotary(ops: Ops[T], *, base: float, size: int, n_positions: int, is_interleaved: bool = False) -> Rotary[T]:
    """Rotary positions from 0: pair ``i`` of a head rotates by ``base ** (-2 * i / size)`` per position."""
    angles = np.arange(n_positions)[:, None] * base ** (-np.arange(0, size, 2) / size)
    whole = np.repeat(angles, 2, axis=1) if is_interleaved else np.concatenate((angles, angles), axis=1)

    name = f"rotary.{base:g}"
    return Rotary(
        ops.constant(np.cos(whole), name=f"{name}.cos", is_exact=True),
        ops.constant(np.sin(whole), name=f"{name}.sin", is_exact=True),
        is_interleaved,
    )


def rotary_base(values: Values, *, default: float) -> float:
    """The base of a model's rotary positions, from either form of its config.

    Raises:
        CheckpointError: If they are scaled, or the base is not a number.
    """
    if values.get("rope_scaling") is not None:
        raise values.error("rope_scaling", "none; scaled rotary positions are not supported")
    rope: Any = values.get("rope_parameters")
    if not isinstance(rope, dict):
        return values.number("rope_theta", default=default)
    if rope.get("rope_type", "default") != "default":
        raise values.error("rope_parameters", "rope_type default; scaled rotary positions are not supported")
    return Values(rope, f"{values.where}: rope_parameters").number("rope_theta", default=default)


def read_layer(
    ops: Ops[T],
    config: ModelConfig,
    weights: Weights,
    names: LayerNames,
    *,
    relative: Relative[T] | None = None,
    scale: float | None = None,
    far_values: T | None = None,
    rotates_values: bool = False,
) -> Layer[T]:
    """A layer like BERT's, with the family's names for its parts; see ``SelfAttention`` for the options."""
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
            far_values=far_values,
            rotates_values=rotates_values,
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


@dataclass(frozen=True, slots=True)
class Renamed:
    """A checkpoint's tensors under the names of a family's record, if files use other names.

    Attributes:
        weights: The tensors of the encoder.
        names: The files' names by the record's names: of whole tensors without ``.weight``, or of name prefixes.
        prefix: The prefix of this view, in the record's names.
    """

    weights: Weights
    names: Mapping[str, str]
    prefix: str = ""

    def at(self, prefix: str) -> Renamed:
        """The tensors under ``prefix.``."""
        return replace(self, prefix=self._join(prefix))

    def base(self, prefix: str) -> Renamed:
        """Those under ``prefix.``."""
        return self.at(prefix)

    def has(self, name: str) -> bool:
        """Whether the tensor exists."""
        return self.weights.has(self._own(name))

    def full_name(self, name: str) -> str:
        """The file's name."""
        return self.weights.full_name(self._own(name))

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """A tensor by the record's name."""
        return self.weights.tensor(self._own(name), shape)

    def _join(self, name: str) -> str:
        return f"{self.prefix}.{name}" if self.prefix else name

    def _own(self, name: str) -> str:
        full = f".{self._join(name)}."
        for ours, theirs in self.names.items():
            full = full.replace(f".{ours}.", f".{theirs}.")
        return full.strip(".")

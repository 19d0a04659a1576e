"""Bricks read from a checkpoint's weights."""

from __future__ import annotations

from typing import Any, TypeVar

from numpy.typing import NDArray

from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import LayerNorm, Linear
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

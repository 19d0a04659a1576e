"""The primitives that the encoder is written in.

An engine (or an exporter) is an implementation of ``Ops``: it computes, or it builds a graph. ``T`` is its own tensor
type. Shapes below use the words of the house: ``rows length hidden picks labels vocab``.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

T = TypeVar("T")

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "tanh")
"""The activation functions every engine has, by the names that Hugging Face's configs use."""


class Ops(Protocol[T]):
    """What an engine must be able to do."""

    def constant(self, array: NDArray[Any]) -> T:
        """A weight as the engine's tensor, in the engine's precision."""
        ...

    def gather(self, table: T, ids: T) -> T:
        """Rows of ``table [vocab, hidden]`` by ``ids [rows, length]``: ``[rows, length, hidden]``."""
        ...

    def add(self, left: T, right: T) -> T:
        """Element by element, with broadcasting."""
        ...

    def linear(self, x: T, weight: T, bias: T) -> T:
        """``x @ weight.T + bias`` with ``weight [outputs, inputs]``."""
        ...

    def layer_norm(self, x: T, weight: T, bias: T, *, eps: float) -> T:
        """Normalise the last axis with the biased variance; ``eps`` is added to the variance."""
        ...

    def activation(self, x: T, name: str) -> T:
        """One of ``ACTIVATIONS``."""
        ...

    def same_sequence(self, sequence_ids: T) -> T:
        """What ``attention`` needs to keep each piece inside its own sequence, from ids ``[rows, length]``."""
        ...

    def attention(self, query: T, key: T, value: T, same_sequence: T, *, n_heads: int) -> T:
        """Scaled dot-product attention inside sequences; all ``[rows, length, hidden]``."""
        ...

    def pick(self, x: T, picks: T) -> T:
        """``x [rows, length, hidden]`` at flat slots ``picks [picks]``, row * length + column: ``[picks, hidden]``."""
        ...

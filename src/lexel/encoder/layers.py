"""The bricks of the encoder: each holds its weights as an engine's tensors and is called on tensors.

A brick receives ready parts; only a family knows the names of a checkpoint's tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lexel.encoder.ops import Ops

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Inputs(Generic[T]):
    """Packed rows as an engine's tensors, each ``[rows, length]``; see ``lexel.engines.base.Rows``."""

    piece_ids: T
    position_ids: T
    type_ids: T
    sequence_ids: T


class Brick(Protocol[T]):
    """Anything that maps ``[..., n]`` to ``[..., m]``."""

    def __call__(self, x: T, /) -> T: ...


class Turn(Protocol[T]):
    """One step of the encoder: a layer, or a group of layers."""

    def __call__(self, x: T, same_sequence: T, /) -> T: ...


@dataclass(frozen=True, slots=True)
class Linear(Generic[T]):
    """``x @ weight.T + bias``."""

    ops: Ops[T]
    weight: T
    bias: T

    def __call__(self, x: T) -> T:
        return self.ops.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class LayerNorm(Generic[T]):
    """Layer normalisation over the last axis (Ba et al. 2016, https://arxiv.org/abs/1607.06450)."""

    ops: Ops[T]
    weight: T
    bias: T
    eps: float

    def __call__(self, x: T) -> T:
        return self.ops.layer_norm(x, self.weight, self.bias, eps=self.eps)


@dataclass(frozen=True, slots=True)
class Embeddings(Generic[T]):
    """Piece, position and (where the family has them) type embeddings, added, normalised and projected.

    Attributes:
        pieces: Table ``[vocab, embedding]``.
        positions: Table ``[positions, embedding]``; row 0 is the first position of a sequence.
        types: Table ``[types, embedding]``, or ``None``.
        norm: Normalisation of the sum.
        project: From the embedding's size to the encoder's, where they differ (ALBERT, ELECTRA).
    """

    ops: Ops[T]
    pieces: T
    positions: T
    types: T | None
    norm: LayerNorm[T]
    project: Linear[T] | None = None

    def __call__(self, inputs: Inputs[T]) -> T:
        ops = self.ops
        x = ops.add(ops.gather(self.pieces, inputs.piece_ids), ops.gather(self.positions, inputs.position_ids))
        if self.types is not None:
            x = ops.add(x, ops.gather(self.types, inputs.type_ids))
        x = self.norm(x)
        return x if self.project is None else self.project(x)


@dataclass(frozen=True, slots=True)
class SelfAttention(Generic[T]):
    """Multi-head attention of a sequence to itself (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

    ops: Ops[T]
    query: Linear[T]
    key: Linear[T]
    value: Linear[T]
    output: Linear[T]
    n_heads: int

    def __call__(self, x: T, same_sequence: T) -> T:
        mixed = self.ops.attention(self.query(x), self.key(x), self.value(x), same_sequence, n_heads=self.n_heads)
        return self.output(mixed)


@dataclass(frozen=True, slots=True)
class FeedForward(Generic[T]):
    """Two linear maps with an activation between them."""

    ops: Ops[T]
    inner: Linear[T]
    outer: Linear[T]
    activation: str

    def __call__(self, x: T) -> T:
        return self.outer(self.ops.activation(self.inner(x), self.activation))


@dataclass(frozen=True, slots=True)
class Layer(Generic[T]):
    """An encoder layer with normalisation after each residual sum, as in BERT."""

    ops: Ops[T]
    attention: SelfAttention[T]
    attention_norm: LayerNorm[T]
    feed_forward: FeedForward[T]
    feed_forward_norm: LayerNorm[T]

    def __call__(self, x: T, same_sequence: T) -> T:
        x = self.attention_norm(self.ops.add(self.attention(x, same_sequence), x))
        return self.feed_forward_norm(self.ops.add(self.feed_forward(x), x))


@dataclass(frozen=True, slots=True)
class Encoder(Generic[T]):
    """Embeddings and layers; called on packed rows, it gives every hidden state.

    ``layers`` may hold the same layer several times (ALBERT shares its weights).
    """

    ops: Ops[T]
    embeddings: Embeddings[T]
    layers: Sequence[Turn[T]]

    def __call__(self, inputs: Inputs[T]) -> list[T]:
        """Hidden states ``[rows, length, hidden]``: the embeddings' output, then each layer's."""
        same_sequence = self.ops.same_sequence(inputs.sequence_ids)
        states = [self.embeddings(inputs)]
        for layer in self.layers:
            states.append(layer(states[-1], same_sequence))
        return states

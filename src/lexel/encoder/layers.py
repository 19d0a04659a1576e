"""The bricks of the encoder: each holds its weights as an engine's tensors and is called on tensors.

A brick receives ready parts; only a family knows the names of a checkpoint's tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

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

    def adapted(self, adapters: Iterator[LayerAdapters[T]], /) -> Turn[T]:
        """The same with the next adapters in its layers."""
        ...


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
class Adapter(Generic[T]):
    """A bottleneck added to what a part of a layer gives (Houlsby et al. 2019, https://arxiv.org/abs/1902.00751)."""

    ops: Ops[T]
    down: Linear[T]
    up: Linear[T]
    activation: str

    def __call__(self, x: T) -> T:
        return self.ops.add(self.up(self.ops.activation(self.down(x), self.activation)), x)


class LayerAdapters(NamedTuple, Generic[T]):
    """The two adapters of a layer: behind its attention, and behind its feed-forward part."""

    attention: Adapter[T]
    output: Adapter[T]


@dataclass(frozen=True, slots=True)
class Layer(Generic[T]):
    """An encoder layer with normalisation after each residual sum, as in BERT; adapters stand before the sums."""

    ops: Ops[T]
    attention: SelfAttention[T]
    attention_norm: LayerNorm[T]
    feed_forward: FeedForward[T]
    feed_forward_norm: LayerNorm[T]
    adapters: LayerAdapters[T] | None = None

    def __call__(self, x: T, same_sequence: T) -> T:
        mixed = self.attention(x, same_sequence)
        if self.adapters is not None:
            mixed = self.adapters.attention(mixed)
        x = self.attention_norm(self.ops.add(mixed, x))
        mapped = self.feed_forward(x)
        if self.adapters is not None:
            mapped = self.adapters.output(mapped)
        return self.feed_forward_norm(self.ops.add(mapped, x))

    def adapted(self, adapters: Iterator[LayerAdapters[T]]) -> Layer[T]:
        """The layer with the next adapters."""
        return replace(self, adapters=next(adapters))


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

    def adapted(self, adapters: Iterator[LayerAdapters[T]]) -> Encoder[T]:
        """The encoder with adapters in its layers; a layer that stands in several turns has one pair."""
        made: dict[int, Turn[T]] = {}
        for layer in self.layers:
            if id(layer) not in made:
                made[id(layer)] = layer.adapted(adapters)
        return replace(self, layers=[made[id(layer)] for layer in self.layers])

"""The building blocks of the encoder: each holds its weights as an engine's tensors and is called on tensors.

A block receives ready parts; only a family knows the names of a checkpoint's tensors. Values that depend only on the
input (masks, angles, distances) are computed once for all layers and passed to them as a ``Context``.
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

    def __call__(self, x: T, context: Context[T], /) -> T: ...

    def adapted(self, adapters: Iterator[LayerAdapters[T]], /) -> Turn[T]:
        """A copy with the next adapters in its layers."""
        ...


@dataclass(frozen=True, slots=True)
class Linear(Generic[T]):
    """``x @ weight.T + bias``."""

    ops: Ops[T]
    weight: T
    bias: T | None

    def __call__(self, x: T) -> T:
        return self.ops.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class LayerNorm(Generic[T]):
    """Layer normalisation over the last axis (Ba et al. 2016, https://arxiv.org/abs/1607.06450)."""

    ops: Ops[T]
    weight: T
    bias: T | None
    eps: float

    def __call__(self, x: T) -> T:
        return self.ops.layer_norm(x, self.weight, self.bias, eps=self.eps)


@dataclass(frozen=True, slots=True)
class RmsNorm(Generic[T]):
    """Division by the root mean square of the last axis (Zhang & Sennrich 2019, https://arxiv.org/abs/1910.07467)."""

    ops: Ops[T]
    weight: T
    eps: float

    def __call__(self, x: T) -> T:
        return self.ops.rms_norm(x, self.weight, eps=self.eps)


@dataclass(frozen=True, slots=True)
class Embeddings(Generic[T]):
    """Piece, position and type embeddings (the last two if the family has them), added, normalised and projected.

    Attributes:
        pieces: Table ``[vocab, embedding]``.
        positions: Table ``[positions, embedding]``; row 0 is the first position of a sequence.
        types: Table ``[types, embedding]``, or ``None``.
        norm: Normalisation of the sum.
        project: From the embedding's size to the encoder's, if they differ (ALBERT, ELECTRA).
    """

    ops: Ops[T]
    pieces: T
    positions: T | None
    types: T | None
    norm: Brick[T] | None
    project: Linear[T] | None = None

    def __call__(self, inputs: Inputs[T]) -> T:
        ops = self.ops
        x = ops.gather(self.pieces, inputs.piece_ids)
        if self.positions is not None:
            x = ops.add(x, ops.gather(self.positions, inputs.position_ids))
        if self.types is not None:
            x = ops.add(x, ops.gather(self.types, inputs.type_ids))
        if self.norm is not None:
            x = self.norm(x)
        return x if self.project is None else self.project(x)


# Attention -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rotary(Generic[T]):
    """Tables of rotary positions, each ``[positions, head size]``.

    Attributes:
        cos: Cosines of the angles by which pairs of values are rotated at each position.
        sin: Their sines.
        is_interleaved: How values are paired; see ``Ops.rotate``.
    """

    cos: T
    sin: T
    is_interleaved: bool = False


@dataclass(frozen=True, slots=True)
class Buckets(Generic[T]):
    """The bucket of each distance between two pieces; see ``Ops.distances``."""

    of_distance: T
    n_positions: int


@dataclass(frozen=True, slots=True)
class Scope(Generic[T]):
    """The range that the attention of some layers sees, and how it encodes positions.

    Attributes:
        window: Attend only to pieces at most ``window // 2`` positions away; ``None`` means the whole sequence.
        rotary: Rotary positions, or ``None``.
        buckets: Buckets of distances, or ``None``.
    """

    window: int | None = None
    rotary: Rotary[T] | None = None
    buckets: Buckets[T] | None = None

    def view(self, ops: Ops[T], inputs: Inputs[T]) -> View[T]:
        """The scope's tables for some inputs."""
        rotary, buckets, positions = self.rotary, self.buckets, inputs.position_ids
        return View(
            mask=ops.mask(inputs.sequence_ids, positions, window=self.window),
            rotation=None
            if rotary is None
            else Rotary(ops.gather(rotary.cos, positions), ops.gather(rotary.sin, positions), rotary.is_interleaved),
            distances=None
            if buckets is None
            else ops.distances(positions, buckets.of_distance, n_positions=buckets.n_positions),
        )


@dataclass(frozen=True, slots=True)
class View(Generic[T]):
    """A scope's tables for the inputs of one pass.

    Attributes:
        mask: The result of ``Ops.mask``.
        rotation: Cosines and sines ``[rows, length, head size]``, or ``None``.
        distances: The result of ``Ops.distances``, or ``None``.
    """

    mask: T
    rotation: Rotary[T] | None = None
    distances: T | None = None


@dataclass(frozen=True, slots=True)
class Context(Generic[T]):
    """Shared by all layers in one pass: the views of the encoder's scopes, in order."""

    views: tuple[View[T], ...]


class Relative(Protocol[T]):
    """Scores that depend on the distance between pieces, added to the products of attention."""

    def __call__(self, query: T, key: T, distances: T, /) -> T: ...


@dataclass(frozen=True, slots=True)
class SelfAttention(Generic[T]):
    """Multi-head self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762).

    Attributes:
        n_heads: Number of query heads.
        head_size: Size of a head.
        n_key_value_heads: Number of key and value heads, if fewer.
        scope: The index of its scope in the encoder.
        scale: Factor on the products; by default one over the root of ``head_size``.
        relative: Scores by distance, or ``None``.
        far_values: Table of vectors added to values by distance, or ``None``; see ``Ops.attention``.
        rotates_values: Whether values also have rotary positions.
    """

    ops: Ops[T]
    query: Linear[T]
    key: Linear[T]
    value: Linear[T]
    output: Linear[T]
    n_heads: int
    head_size: int
    n_key_value_heads: int | None = None
    scope: int = 0
    scale: float | None = None
    relative: Relative[T] | None = None
    far_values: T | None = None
    rotates_values: bool = False

    def __call__(self, x: T, context: Context[T], query_from: T | None = None) -> T:
        """Attention from ``x`` to itself, or from ``query_from`` to ``x``."""
        view = context.views[self.scope]
        query = self._rotated(self.query(x if query_from is None else query_from), view.rotation, self.n_heads)
        n_keys = self.n_key_value_heads or self.n_heads
        key, value = self._rotated(self.key(x), view.rotation, n_keys), self.value(x)
        if self.rotates_values:
            value = self._rotated(value, view.rotation, n_keys)
        bias = None
        if self.relative is not None and view.distances is not None:
            bias = self.relative(query, key, view.distances)
        far = self.far_values
        mixed = self.ops.attention(
            query,
            key,
            value,
            view.mask,
            n_heads=self.n_heads,
            head_size=self.head_size,
            n_key_value_heads=self.n_key_value_heads,
            scale=self.scale,
            bias=bias,
            far_values=None if far is None or view.distances is None else (view.distances, far),
        )
        return self.output(mixed)

    def _rotated(self, x: T, rotation: Rotary[T] | None, n_heads: int) -> T:
        if rotation is None:
            return x
        cos, sin, is_interleaved = rotation.cos, rotation.sin, rotation.is_interleaved
        return self.ops.rotate(x, cos, sin, n_heads=n_heads, head_size=self.head_size, is_interleaved=is_interleaved)


# Layers --------------------------------------------------------------------------------------------------------------


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
class GatedFeedForward(Generic[T]):
    """Two maps, one with an activation, multiplied, then a third (Shazeer 2020, https://arxiv.org/abs/2002.05202)."""

    ops: Ops[T]
    inner: Linear[T]
    gate: Linear[T]
    outer: Linear[T]
    activation: str

    def __call__(self, x: T) -> T:
        return self.outer(self.ops.multiply(self.ops.activation(self.inner(x), self.activation), self.gate(x)))


@dataclass(frozen=True, slots=True)
class Adapter(Generic[T]):
    """A bottleneck added to the output of a part of a layer (Houlsby et al. 2019, https://arxiv.org/abs/1902.00751)."""

    ops: Ops[T]
    down: Linear[T]
    up: Linear[T]
    activation: str

    def __call__(self, x: T) -> T:
        return self.ops.add(self.up(self.ops.activation(self.down(x), self.activation)), x)


class LayerAdapters(NamedTuple, Generic[T]):
    """The two adapters of a layer: after its attention, and after its feed-forward part."""

    attention: Adapter[T]
    output: Adapter[T]


@dataclass(frozen=True, slots=True)
class Layer(Generic[T]):
    """An encoder layer: attention, then a feed-forward part, each with a residual connection.

    Attributes:
        attention_norm: Normalises after the attention's sum as in BERT, or before the attention; ``None`` for neither.
        feed_forward_norm: The same for the feed-forward part.
        norm_first: Normalise the parts' inputs, not the sums (Xiong et al. 2020, https://arxiv.org/abs/2002.04745).
        adapters: Applied before the sums.
    """

    ops: Ops[T]
    attention: SelfAttention[T]
    attention_norm: Brick[T] | None
    feed_forward: Brick[T]
    feed_forward_norm: Brick[T] | None
    norm_first: bool = False
    adapters: LayerAdapters[T] | None = None

    def __call__(self, x: T, context: Context[T]) -> T:
        return self._computed(x, self.attention(self._before(x, self.attention_norm), context))

    def queried(self, x: T, query: T, context: Context[T]) -> T:
        """The layer's output for queries other than ``x``; not for layers that normalise first."""
        return self._computed(query, self.attention(x, context, query))

    def _computed(self, x: T, mixed: T) -> T:
        adapt_attention, adapt_output = self.adapters or (None, None)
        x = self._sum(x, mixed, adapt_attention, self.attention_norm)
        mapped = self.feed_forward(self._before(x, self.feed_forward_norm))
        return self._sum(x, mapped, adapt_output, self.feed_forward_norm)

    def adapted(self, adapters: Iterator[LayerAdapters[T]]) -> Layer[T]:
        """The layer with the next adapters."""
        return replace(self, adapters=next(adapters))

    def _before(self, x: T, norm: Brick[T] | None) -> T:
        return norm(x) if norm is not None and self.norm_first else x

    def _sum(self, x: T, part: T, adapter: Adapter[T] | None, norm: Brick[T] | None) -> T:
        x = self.ops.add(part if adapter is None else adapter(part), x)
        return x if norm is None or self.norm_first else norm(x)


@dataclass(frozen=True, slots=True)
class Encoder(Generic[T]):
    """Embeddings and layers; called on packed rows, it returns all hidden states.

    Attributes:
        embeddings: The input of the first layer.
        layers: The layers in order; the same layer may occur several times (ALBERT shares its weights).
        scopes: The scopes of attention; each layer has the index of its own.
        norm: Normalises the last hidden state, if the family does that.
    """

    ops: Ops[T]
    embeddings: Embeddings[T]
    layers: Sequence[Turn[T]]
    scopes: Sequence[Scope[T]] = (Scope(),)
    norm: Brick[T] | None = None

    def context(self, inputs: Inputs[T]) -> Context[T]:
        """The context of some inputs, shared by all layers."""
        return Context(tuple(scope.view(self.ops, inputs) for scope in self.scopes))

    def __call__(self, inputs: Inputs[T], context: Context[T] | None = None) -> list[T]:
        """Hidden states ``[rows, length, hidden]``: the embeddings' output, then each layer's."""
        context = self.context(inputs) if context is None else context
        states = [self.embeddings(inputs)]
        for layer in self.layers:
            states.append(layer(states[-1], context))
        if self.norm is not None:
            states[-1] = self.norm(states[-1])
        return states

    def adapted(self, adapters: Iterator[LayerAdapters[T]]) -> Encoder[T]:
        """The encoder with adapters in its layers; a layer that occurs in several turns has one pair."""
        made: dict[int, Turn[T]] = {}
        for layer in self.layers:
            if id(layer) not in made:
                made[id(layer)] = layer.adapted(adapters)
        return replace(self, layers=[made[id(layer)] for layer in self.layers])


@dataclass(frozen=True, slots=True)
class MaskDecoder(Generic[T]):
    """DeBERTa's enhanced mask decoder (He et al. 2020, https://arxiv.org/abs/2006.03654, section 3.2).

    The last layer runs twice more on its input. Its first queries include their absolute positions.

    Attributes:
        positions: Table ``[positions, hidden]``.
        layer: The last layer of the encoder.
    """

    ops: Ops[T]
    positions: T
    layer: Layer[T]

    def __call__(self, states: Sequence[T], inputs: Inputs[T], context: Context[T]) -> T:
        """The input of a mask-filling head, ``[rows, length, hidden]``, from the encoder's states."""
        given = states[-2]
        query = self.ops.add(given, self.ops.gather(self.positions, inputs.position_ids))
        for _ in range(2):
            query = self.layer.queried(given, query, context)
        return query

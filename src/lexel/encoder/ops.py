"""The primitives that encoders are built from.

An engine (or an exporter) implements ``Ops``: it computes, or it builds a graph. ``T`` is its tensor type. A graph
under construction does not know the sizes of its tensors, so every size that a primitive needs is an argument. Shapes
below use these words: ``rows length hidden heads picks labels vocab buckets``.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeVar

from numpy.typing import NDArray

T = TypeVar("T")

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "tanh")
"""The activation functions of every engine, by their names in Hugging Face's configs."""


class Ops(Protocol[T]):
    """The operations that an engine must implement."""

    def constant(self, array: NDArray[Any], *, name: str, is_exact: bool = False) -> T:
        """An array of the model as the engine's tensor.

        Args:
            array: The values; integers stay integers.
            name: A name that is unique in the model, for graphs that keep it.
            is_exact: Keep at least float32 in any precision of the engine (norms, biases, tables of angles). Other
                arrays (tables of embeddings, weights of products) are stored in the engine's precision.
        """
        ...

    def gather(self, table: T, ids: T) -> T:
        """Rows of ``table [vocab, hidden]`` by ``ids [rows, length]``: ``[rows, length, hidden]``."""
        ...

    def add(self, left: T, right: T) -> T:
        """Element by element, with broadcasting."""
        ...

    def multiply(self, left: T, right: T) -> T:
        """Element by element, with broadcasting."""
        ...

    def linear(self, x: T, weight: T, bias: T | None) -> T:
        """``x @ weight.T + bias`` with ``weight [outputs, inputs]``."""
        ...

    def layer_norm(self, x: T, weight: T, bias: T | None, *, eps: float) -> T:
        """Normalise the last axis with the biased variance; ``eps`` is added to the variance."""
        ...

    def rms_norm(self, x: T, weight: T, *, eps: float) -> T:
        """Divide the last axis by its root mean square; ``eps`` is added to the mean square."""
        ...

    def activation(self, x: T, name: str) -> T:
        """One of ``ACTIVATIONS``."""
        ...

    def mask(self, sequence_ids: T, position_ids: T, *, window: int | None = None) -> T:
        """The mask with which ``attention`` keeps each piece inside its own sequence, from ids ``[rows, length]``.

        Args:
            sequence_ids: The sequence in the row to which each piece belongs.
            position_ids: Its position in that sequence.
            window: Attend only to pieces at most ``window // 2`` positions away; by default the whole sequence.
        """
        ...

    def distances(self, position_ids: T, buckets: T, *, n_positions: int) -> T:
        """The distances between the pieces of a sequence, for ``relative_scores``.

        Args:
            position_ids: Positions ``[rows, length]``. Neighbours in a sequence are neighbours in the row, so an engine
                may use the distance between their slots instead.
            buckets: The bucket of each distance from ``1 - n_positions`` to ``n_positions - 1``, ascending.
            n_positions: The maximum number of positions in a sequence.
        """
        ...

    def rotate(self, x: T, cos: T, sin: T, *, n_heads: int, head_size: int, is_interleaved: bool = False) -> T:
        """Rotate pairs of values in each head by angles (Su et al. 2021, https://arxiv.org/abs/2104.09864).

        Args:
            x: Queries or keys ``[rows, length, heads * head_size]``.
            cos: Cosines of the angles ``[rows, length, head_size]``, equal for both values of a pair.
            sin: Their sines.
            n_heads: Number of heads in ``x``.
            head_size: Size of a head.
            is_interleaved: Pair neighbouring values (0 and 1, 2 and 3, ...); by default, value ``i`` of the first half
                is paired with value ``i`` of the second half.
        """
        ...

    def relative_scores(
        self,
        x: T,
        table: T,
        distances: T,
        *,
        n_heads: int,
        head_size: int,
        side: Literal["query", "key"],
        is_shared: bool = False,
    ) -> T:
        """Scores between pieces that depend on their distance, ``[rows, heads, length, length]``.

        Entry ``[row, head, i, j]`` is the product of piece i of ``x`` (side ``query``) or piece j (side ``key``) with
        the row of ``table`` for the bucket of position i minus position j. Across sequences it is meaningless.

        Args:
            x: Queries or keys ``[rows, length, heads * head_size]``.
            table: ``[buckets, heads * head_size]``.
            distances: The result of ``distances``.
            n_heads: Number of heads in ``x``.
            head_size: Size of a head.
            side: Whether ``x`` holds queries or keys.
            is_shared: The table is ``[buckets, head_size]``, shared by all heads.
        """
        ...

    def attention(
        self,
        query: T,
        key: T,
        value: T,
        mask: T,
        *,
        n_heads: int,
        head_size: int,
        n_key_value_heads: int | None = None,
        scale: float | None = None,
        bias: T | None = None,
        far_values: tuple[T, T] | None = None,
    ) -> T:
        """Scaled dot-product attention where the mask allows it: ``[rows, length, heads * head_size]``.

        Args:
            query: ``[rows, length, heads * head_size]``.
            key: ``[rows, length, key/value heads * head_size]``.
            value: The same.
            mask: The result of ``mask``.
            n_heads: Number of query heads.
            head_size: Size of a head.
            n_key_value_heads: Number of key and value heads, if fewer; each then serves a group of neighbouring heads.
            scale: Factor on the products; by default one over the root of ``head_size``.
            bias: Added to the scaled products, ``[rows, heads, length, length]``.
            far_values: The result of ``distances``, and a table ``[buckets, head_size]`` for all heads: for piece i,
                the row for the bucket of position i minus position j is added to the value of piece j.
        """
        ...

    def pick(self, x: T, picks: T, *, hidden_size: int) -> T:
        """``x [rows, length, hidden]`` at flat slots ``picks [picks]``, row * length + column: ``[picks, hidden]``."""
        ...

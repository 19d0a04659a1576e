"""The primitives as nodes of an ONNX graph.

A graph for other programs reads padded rows with one sequence each: its ``sequence_ids`` are the attention mask, 1 for
a piece and 0 for padding. A graph for Lexel's engine reads packed rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

OPSET = 17
"""Version of the operators; newer ones are not faster, and fewer runtimes support them."""

_MASKED = -1e9
"""Added to a score outside the sequence: its probability is then exactly zero."""

_ATTRIBUTES: Mapping[type, Any] = {float: ir.AttrFloat32, int: ir.AttrInt64, list: ir.AttrInt64s}


class OnnxOps:
    """``Ops`` that add nodes to a graph; a mask is added to the scores, ``[rows, 1, 1 or length, length]``.

    Args:
        is_packed: Whether rows hold several sequences; otherwise each row holds one, and ``pick`` takes one slot of
            every row or all of them.

    A weight is added to the graph at its first use, in the form that is needed there: transposed for a product, where
    quantisers look for weights, and unchanged for an embedding table. A table that is shared with a decoder is
    transposed by a node, so that it is stored only once.

    Attributes:
        nodes: The nodes in order.
    """

    def __init__(self, *, is_packed: bool = False) -> None:
        self._is_packed = is_packed
        self.nodes: list[Any] = []
        self._stored: dict[str, Any] = {}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._transposed: dict[str, Any] = {}
        self._small: dict[tuple[Any, ...], Any] = {}

    @property
    def initializers(self) -> list[Any]:
        """The stored arrays that the nodes use."""
        used = {value.name for node in self.nodes for value in node.inputs}
        return [value for name, value in self._stored.items() if name in used]

    def node(self, kind: str, *inputs: Any, **attributes: float | int | list[int]) -> Any:
        """Add a node with one output, and return the output."""
        given = [_ATTRIBUTES[type(value)](key, value) for key, value in attributes.items()]
        number = len(self.nodes)
        node = ir.Node("", kind, [self._used(value) for value in inputs], given, num_outputs=1, name=f"{kind}_{number}")
        node.outputs[0].name = f"value_{number}"
        self.nodes.append(node)
        return node.outputs[0]

    # Constants -------------------------------------------------------------------------------------------------------

    def constant(self, array: NDArray[Any], *, name: str, is_exact: bool = False) -> Any:
        values = array.astype(np.int64 if array.dtype.kind == "i" else np.float32, copy=False)
        self._arrays[name] = values
        return ir.Value(name=name, shape=ir.Shape(values.shape))

    def numbers(self, *values: int) -> Any:
        """A list of whole numbers."""
        return self._constant(values, np.array(values, np.int64))

    def number(self, value: int) -> Any:
        """A whole number without axes."""
        return self._constant(("number", value), np.array(value, np.int64))

    def real(self, value: float) -> Any:
        """A floating-point number without axes."""
        return self._constant(("real", value), np.array(value, np.float32))

    def _constant(self, key: tuple[Any, ...], array: NDArray[Any]) -> Any:
        if key not in self._small:
            self._small[key] = self._store(f"constant_{len(self._small)}", array)
        return self._small[key]

    def _used(self, value: Any) -> Any:
        """The value, stored if it is a weight that is used unchanged."""
        array = self._arrays.pop(value.name, None)
        return value if array is None else self._store(value.name, array, value)

    def _store(self, name: str, array: NDArray[Any], value: Any = None) -> Any:
        tensor = ir.tensor(np.array(array, order="C", copy=None), name=name)  # ascontiguousarray would add an axis
        value = value if value is not None else ir.Value(name=name, shape=ir.Shape(array.shape))
        value.type, value.const_value = ir.TensorType(tensor.dtype), tensor
        self._stored[name] = value
        return value

    # The primitives --------------------------------------------------------------------------------------------------

    def gather(self, table: Any, ids: Any) -> Any:
        return self.node("Gather", table, ids, axis=0)

    def add(self, left: Any, right: Any) -> Any:
        return self.node("Add", left, right)

    def multiply(self, left: Any, right: Any) -> Any:
        return self.node("Mul", left, right)

    def linear(self, x: Any, weight: Any, bias: Any | None) -> Any:
        product = self.node("MatMul", x, self._transpose_of(weight))
        return product if bias is None else self.add(product, bias)

    def layer_norm(self, x: Any, weight: Any, bias: Any | None, *, eps: float) -> Any:
        inputs = (x, weight) if bias is None else (x, weight, bias)
        return self.node("LayerNormalization", *inputs, axis=-1, epsilon=float(eps))

    def rms_norm(self, x: Any, weight: Any, *, eps: float) -> Any:
        mean_square = self.node("ReduceMean", self.multiply(x, x), axes=[-1], keepdims=1)
        root = self.node("Sqrt", self.add(mean_square, self.real(eps)))
        return self.multiply(self.node("Div", x, root), weight)

    def activation(self, x: Any, name: str) -> Any:
        if name == "gelu":
            return self._half_gated(x, self.node("Erf", self.node("Div", x, self.real(math.sqrt(2)))))
        if name in ("gelu_new", "gelu_pytorch_tanh"):
            cube = self.multiply(self.multiply(x, x), x)
            inner = self.add(x, self.multiply(cube, self.real(0.044715)))
            return self._half_gated(x, self.node("Tanh", self.multiply(inner, self.real(math.sqrt(2 / math.pi)))))
        if name in ("silu", "quick_gelu"):
            inner = x if name == "silu" else self.multiply(x, self.real(1.702))
            return self.multiply(x, self.node("Sigmoid", inner))
        return self.node({"relu": "Relu", "tanh": "Tanh"}[name], x)

    def mask(self, sequence_ids: Any, position_ids: Any, *, window: int | None = None) -> Any:
        seen = self._same_sequence(sequence_ids) if self._is_packed else self._pieces(sequence_ids)
        if window is not None:
            apart = self.node("Abs", self._slots_apart(position_ids))
            seen = self.node("And", seen, self.node("LessOrEqual", apart, self.number(window // 2)))
        return self.node("Where", seen, self.real(0.0), self.real(_MASKED))

    def distances(self, position_ids: Any, buckets: Any, *, n_positions: int) -> Any:
        places = self.add(self._slots_apart(position_ids), self.number(n_positions - 1))
        clipped = self.node("Max", self.node("Min", places, self.number(2 * n_positions - 2)), self.number(0))
        return self.gather(buckets, clipped)

    def rotate(self, x: Any, cos: Any, sin: Any, *, n_heads: int, head_size: int, is_interleaved: bool = False) -> Any:
        whole = self.numbers(0, 0, n_heads, head_size)
        by_head = self.node("Reshape", x, whole)
        pairs = self.node("Reshape", x, self.numbers(0, 0, n_heads, head_size // 2, 2)) if is_interleaved else by_head
        middle = 1 if is_interleaved else head_size // 2
        first, second = (
            self.node("Slice", pairs, self.numbers(start), self.numbers(end), self.numbers(-1))
            for start, end in ((0, middle), (middle, 2 * middle))
        )
        turned = self.node("Concat", self.node("Neg", second), first, axis=-1)
        if is_interleaved:
            turned = self.node("Reshape", turned, whole)
        cos, sin = (self.node("Unsqueeze", table, self.numbers(2)) for table in (cos, sin))
        rotated = self.add(self.multiply(by_head, cos), self.multiply(turned, sin))
        return self.node("Reshape", rotated, self.numbers(0, 0, n_heads * head_size))

    def relative_scores(
        self,
        x: Any,
        table: Any,
        distances: Any,
        *,
        n_heads: int,
        head_size: int,
        side: Literal["query", "key"],
        is_shared: bool = False,
    ) -> Any:
        rows = self.node("Reshape", table, self.numbers(-1, 1 if is_shared else n_heads, head_size))
        by_bucket = self.node(
            "MatMul", self._by_head(x, n_heads, head_size), self.node("Transpose", rows, perm=[1, 2, 0])
        )
        index = distances if side == "query" else self.node("Transpose", distances, perm=[1, 0])
        some = self.node("Shape", by_bucket, start=0, end=3)
        index = self.node("Expand", index, self.node("Concat", some, self._length(distances, axis=1), axis=0))
        scores = self.node("GatherElements", by_bucket, index, axis=3)
        return scores if side == "query" else self.node("Transpose", scores, perm=[0, 1, 3, 2])

    def attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        mask: Any,
        *,
        n_heads: int,
        head_size: int,
        n_key_value_heads: int | None = None,
        scale: float | None = None,
        bias: Any | None = None,
        far_values: tuple[Any, Any] | None = None,
    ) -> Any:
        n_own = n_key_value_heads or n_heads
        keys, values = (
            self._repeated(self._by_head(x, n_own, head_size), n_heads // n_own, n_heads, head_size)
            for x in (key, value)
        )
        products = self.node(
            "MatMul", self._by_head(query, n_heads, head_size), self.node("Transpose", keys, perm=[0, 1, 3, 2])
        )
        scores = self.multiply(products, self.real(head_size**-0.5 if scale is None else scale))
        scores = self.add(scores if bias is None else self.add(scores, bias), mask)
        probs = self.node("Softmax", scores, axis=-1)
        mixed = self.node("MatMul", probs, values)
        if far_values is not None:
            mixed = self.add(mixed, self._far(probs, *far_values))
        in_rows = self.node("Transpose", mixed, perm=[0, 2, 1, 3])
        return self.node("Reshape", in_rows, self.numbers(0, 0, n_heads * head_size))

    def pick(self, x: Any, picks: Any, *, hidden_size: int) -> Any:
        """In unpacked rows, all pieces if ``picks`` is ``None``, else one slot of every row: ``[rows, hidden]``."""
        if self._is_packed:
            return self.node("Gather", self.node("Reshape", x, self.numbers(-1, hidden_size)), picks, axis=0)
        return x if picks is None else self.node("Gather", x, picks, axis=1)

    # Parts of them ---------------------------------------------------------------------------------------------------

    def positions(self, ids: Any) -> Any:
        """Slots from 0, ``[1, length]``."""
        length = self.node("Squeeze", self._length(ids, axis=1), self.numbers(0))
        return self.node("Unsqueeze", self.node("Range", self.number(0), length, self.number(1)), self.numbers(0))

    def _far(self, probs: Any, distances: Any, table: Any) -> Any:
        """The sums of the table's rows by distance, ``[rows, heads, length, head size]``."""
        by_piece = self.node("Transpose", probs, perm=[2, 0, 1, 3])
        some, length = self.node("Shape", by_piece, start=1, end=3), self._length(distances, axis=1)
        flat = self.node("Reshape", by_piece, self.node("Concat", length, self.numbers(-1), length, axis=0))
        sums = self.node("MatMul", flat, self.gather(table, distances))
        shape = self.node("Concat", length, some, self.numbers(-1), axis=0)
        return self.node("Transpose", self.node("Reshape", sums, shape), perm=[1, 2, 0, 3])

    def _same_sequence(self, sequence_ids: Any) -> Any:
        """Whether two slots belong to one sequence, ``[rows, 1, length, length]``."""
        by_row, by_column = (self.node("Unsqueeze", sequence_ids, self.numbers(1, axis)) for axis in (3, 2))
        return self.node("Equal", by_row, by_column)

    def _pieces(self, mask: Any) -> Any:
        """Whether a slot holds a piece, ``[rows, 1, 1, length]``."""
        return self.node("Cast", self.node("Unsqueeze", mask, self.numbers(1, 2)), to=ir.DataType.BOOL.value)

    def _transpose_of(self, weight: Any) -> Any:
        name = weight.name
        if name not in self._transposed:
            array = self._arrays.pop(name, None)
            self._transposed[name] = (
                self.node("Transpose", weight, perm=[1, 0]) if array is None else self._store(name, array.T)
            )
        return self._transposed[name]

    def _half_gated(self, x: Any, gate: Any) -> Any:
        """``x * (1 + gate) / 2``, in the order that runtimes fuse."""
        return self.multiply(self.multiply(x, self.add(gate, self.real(1.0))), self.real(0.5))

    def _length(self, x: Any, *, axis: int) -> Any:
        """One size of a tensor, as a list."""
        return self.node("Shape", x, start=axis, end=axis + 1)

    def _slots_apart(self, position_ids: Any) -> Any:
        """Slot i minus slot j, ``[length, length]``."""
        slots = self.node("Squeeze", self.positions(position_ids), self.numbers(0))
        return self.node(
            "Sub", self.node("Unsqueeze", slots, self.numbers(1)), self.node("Unsqueeze", slots, self.numbers(0))
        )

    def _by_head(self, x: Any, n_heads: int, head_size: int) -> Any:
        """``[rows, length, hidden]`` as ``[rows, heads, length, head size]``."""
        by_head = self.node("Reshape", x, self.numbers(0, 0, n_heads, head_size))
        return self.node("Transpose", by_head, perm=[0, 2, 1, 3])

    def _repeated(self, by_head: Any, n_shared: int, n_heads: int, head_size: int) -> Any:
        """Each head of keys or values, repeated."""
        if n_shared == 1:
            return by_head
        copies = self.node("Concat", *[self.node("Unsqueeze", by_head, self.numbers(2))] * n_shared, axis=2)
        first, last = self.node("Shape", by_head, start=0, end=1), self._length(by_head, axis=2)
        shape = self.node("Concat", first, self.numbers(n_heads), last, self.numbers(head_size), axis=0)
        return self.node("Reshape", copies, shape)


def named(value: Any, name: str, shape: Sequence[Any]) -> Any:
    """A floating-point output of a graph with its name and shape."""
    value.name, value.shape, value.type = name, ir.Shape(shape), ir.TensorType(ir.DataType.FLOAT)
    return value

"""The primitives as nodes of an OpenVINO graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from openvino import opset13 as op

from lexel.errors import EngineError

_MASKED = -1e9  # added to a score outside the sequence: its probability is then exactly zero, also in bf16

ACTIVATIONS = {
    "gelu": lambda x: op.gelu(x, "erf"),
    "gelu_new": lambda x: op.gelu(x, "tanh"),
    "gelu_pytorch_tanh": lambda x: op.gelu(x, "tanh"),
    "quick_gelu": lambda x: op.swish(x, np.float32(1.702)),
    "relu": op.relu,
    "silu": op.swish,
    "tanh": op.tanh,
}


class OpenVinoOps:
    """``Ops`` that add nodes to a graph; a mask is added to the scores, ``[rows, 1, length, length]``.

    The precision of a graph is chosen when it is compiled, so all constants are float32 here.

    Args:
        in_blocks: Compute local attention block by block, each with its neighbouring blocks, so that the cost grows
            with the length of a row and not with its square. For short rows, it costs more than it saves.
    """

    def __init__(self, *, in_blocks: bool = False) -> None:
        self._in_blocks = in_blocks

    def constant(self, array: NDArray[Any], *, name: str, is_exact: bool = False) -> Any:
        if array.dtype == np.float64:  # computed when the model is read
            array = array.astype(np.float32)
        node = op.constant(array, shared_memory=array.flags.writeable)
        node.set_friendly_name(name)
        return node if array.dtype.kind == "i" or array.dtype == np.float32 else op.convert(node, "f32")

    def gather(self, table: Any, ids: Any) -> Any:
        return op.gather(table, ids, _number(0))

    def add(self, left: Any, right: Any) -> Any:
        return op.add(left, right)

    def multiply(self, left: Any, right: Any) -> Any:
        return op.multiply(left, right)

    def linear(self, x: Any, weight: Any, bias: Any | None) -> Any:
        product = op.matmul(x, weight, False, True)
        return product if bias is None else op.add(product, bias)

    def layer_norm(self, x: Any, weight: Any, bias: Any | None, *, eps: float) -> Any:
        normal = op.multiply(op.mvn(x, _numbers(-1), True, eps, "inside_sqrt"), weight)
        return normal if bias is None else op.add(normal, bias)

    def rms_norm(self, x: Any, weight: Any, *, eps: float) -> Any:
        mean_square = op.reduce_mean(op.power(x, _real(2)), _numbers(-1), True)
        root = op.sqrt(op.add(mean_square, _real(eps)))
        return op.multiply(op.multiply(x, op.divide(_real(1), root)), weight)  # OpenVINO fuses exactly this shape

    def activation(self, x: Any, name: str) -> Any:
        return ACTIVATIONS[name](x)

    def mask(self, sequence_ids: Any, position_ids: Any, *, window: int | None = None) -> Any:
        if window is not None and self._in_blocks:
            return _block_mask(sequence_ids, position_ids, reach=window // 2)
        seen = op.equal(op.unsqueeze(sequence_ids, _number(1)), op.unsqueeze(sequence_ids, _number(2)))
        if window is not None:
            near = op.less_equal(op.abs(_differences(position_ids)), op.constant(np.int32(window // 2)))
            seen = op.logical_and(seen, near)
        return op.unsqueeze(op.select(seen, _real(0.0), _real(_MASKED)), _number(1))

    def distances(self, position_ids: Any, buckets: Any, *, n_positions: int) -> Any:
        length = op.gather(op.shape_of(position_ids, "i64"), _number(1), _number(0))
        away = op.range(op.subtract(_number(1), length), op.add(length, _number(1)), _number(1), "i64")

        def rows(signed: Any) -> Any:
            places = op.add(signed, _number(n_positions - 1))
            clipped = op.maximum(op.minimum(places, _number(2 * n_positions - 2)), _number(0))
            return op.gather(buckets, clipped, _number(0))

        return _Distances(length, {"query": rows(op.negative(away)), "key": rows(away)})

    def rotate(self, x: Any, cos: Any, sin: Any, *, n_heads: int, head_size: int, is_interleaved: bool = False) -> Any:
        whole = _numbers(0, 0, n_heads, head_size)
        parts = _numbers(0, 0, n_heads, head_size // 2, 2) if is_interleaved else whole
        halves = op.split(op.reshape(x, parts, True), _number(-1), 2)
        turned = op.concat([op.negative(halves.output(1)), halves.output(0)], -1)
        if is_interleaved:
            turned = op.reshape(turned, whole, True)
        by_head = op.reshape(x, whole, True)
        sum_ = op.add(
            op.multiply(by_head, op.unsqueeze(cos, _number(2))), op.multiply(turned, op.unsqueeze(sin, _number(2)))
        )
        return op.reshape(sum_, _numbers(0, 0, n_heads * head_size), True)

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
        tables = op.reshape(table, _numbers(0, 1 if is_shared else n_heads, head_size), True)
        by_head = op.transpose(tables, _numbers(1, 0, 2))  # once, when the graph is compiled
        rows = op.gather(by_head, distances.rows[side], _number(1))
        scores = _sheared(op.matmul(_by_head(x, n_heads, head_size), rows, False, True), distances.length)
        return scores if side == "query" else op.transpose(scores, _numbers(0, 1, 3, 2))

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
        if isinstance(mask, _Blocks):
            if bias is not None or far_values is not None:
                raise EngineError("openvino: attention in blocks takes no scores by distance; expected whole rows")
            width = (n_key_value_heads or n_heads) * head_size
            mixed = self.attention(
                mask.cut(query, n_heads * head_size),
                mask.cut_with_neighbours(key, width),
                mask.cut_with_neighbours(value, width),
                mask.added,
                n_heads=n_heads,
                head_size=head_size,
                n_key_value_heads=n_key_value_heads,
                scale=scale,
            )
            return mask.joined(mixed, n_heads * head_size)
        n_shared = n_heads // (n_key_value_heads or n_heads)
        queries, keys, values = (
            _by_head(query, n_heads, head_size),
            _repeated(_by_head(key, n_heads // n_shared, head_size), n_shared, n_heads, head_size),
            _repeated(_by_head(value, n_heads // n_shared, head_size), n_shared, n_heads, head_size),
        )
        products = op.matmul(queries, keys, False, True)
        scores = op.add(op.multiply(products, _real(head_size**-0.5 if scale is None else scale)), mask)
        probs = op.softmax(scores if bias is None else op.add(scores, bias), -1)
        mixed = op.matmul(probs, values, False, False)
        if far_values is not None:
            distances, table = far_values
            rows = op.gather(table, distances.rows["query"], _number(0))
            mixed = op.add(mixed, op.matmul(_by_distance(probs, distances.length), rows, False, False))
        mixed = op.transpose(mixed, _numbers(0, 2, 1, 3))
        return op.reshape(mixed, _numbers(0, 0, n_heads * head_size), True)

    def pick(self, x: Any, picks: Any, *, hidden_size: int) -> Any:
        return op.gather(op.reshape(x, _numbers(-1, hidden_size), False), picks, _number(0))


_BLOCK_STEP = 16
_NOBODY = -1
"""The sequence id of padding; no piece has it."""


class _Distances(NamedTuple):
    """The length of the rows, and by side, the bucket of each distance between slots in a row."""

    length: Any
    rows: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Rows cut into blocks of half a window; a piece attends to its own block and the neighbouring ones.

    Attributes:
        size: Number of pieces in a block.
        length: Length of the rows.
        n_blocks: Number of blocks in a row.
        added: The mask that is added to the scores, ``[rows * blocks, 1, size, 3 * size]``.
    """

    size: int
    length: Any
    n_blocks: Any
    added: Any

    def cut(self, x: Any, width: int) -> Any:
        """``[rows, length, width]`` as ``[rows * blocks, size, width]``, padded with zeros."""
        return op.reshape(_filled(x, self, _real(0.0)), _numbers(-1, self.size, width), False)

    def cut_with_neighbours(self, x: Any, width: int) -> Any:
        """The same with the neighbouring blocks, ``[rows * blocks, 3 * size, width]``."""
        return op.reshape(_beside(_filled(x, self, _real(0.0)), self, width), _numbers(-1, 3 * self.size, width), False)

    def joined(self, x: Any, width: int) -> Any:
        """``[rows * blocks, size, width]`` as ``[rows, length, width]``."""
        whole = op.multiply(self.n_blocks, _number(self.size))
        shape = op.concat([_numbers(-1), op.unsqueeze(whole, _numbers(0)), _numbers(width)], 0)
        end = op.unsqueeze(self.length, _numbers(0))
        return op.slice(op.reshape(x, shape, False), _numbers(0), end, _numbers(1), _numbers(1))


def _block_mask(sequence_ids: Any, position_ids: Any, *, reach: int) -> _Blocks:
    """The blocks of rows, and the mask of each piece for its own block and the neighbouring ones."""
    size = max(_BLOCK_STEP, -(-reach // _BLOCK_STEP) * _BLOCK_STEP)
    length = op.gather(op.shape_of(sequence_ids, "i64"), _number(1), _number(0))
    n_blocks = op.divide(op.add(length, _number(size - 1)), _number(size))
    empty = _Blocks(size, length, n_blocks, None)

    def pairs(ids: Any, fill: int) -> tuple[Any, Any]:
        """Ids ``[blocks, size, 1]`` of pieces, and ``[blocks, 1, 3 * size]`` of their surroundings."""
        wide = _filled(op.unsqueeze(ids, _number(2)), empty, op.constant(np.int32(fill)))
        own = op.reshape(wide, _numbers(-1, size, 1), False)
        return own, op.reshape(_beside(wide, empty, 1, fill=fill), _numbers(-1, 1, 3 * size), False)

    seen = op.equal(*pairs(sequence_ids, _NOBODY))
    near = op.less_equal(op.abs(op.subtract(*pairs(position_ids, 0))), op.constant(np.int32(reach)))
    added = op.unsqueeze(op.select(op.logical_and(seen, near), _real(0.0), _real(_MASKED)), _number(1))
    return _Blocks(size, length, n_blocks, added)


def _filled(x: Any, blocks: _Blocks, fill: Any) -> Any:
    """``[rows, length, width]``, padded to whole blocks."""
    more = op.subtract(op.multiply(blocks.n_blocks, _number(blocks.size)), blocks.length)
    after = op.concat([_numbers(0), op.unsqueeze(more, _numbers(0)), _numbers(0)], 0)
    return op.pad(x, _numbers(0, 0, 0), after, "constant", fill)


def _beside(x: Any, blocks: _Blocks, width: int, *, fill: int | None = None) -> Any:
    """``[rows, blocks, 3 * size, width]`` from ``[rows, blocks * size, width]``: each block with its neighbours."""
    size, n = blocks.size, op.unsqueeze(blocks.n_blocks, _numbers(0))
    nothing = _real(0.0) if fill is None else op.constant(np.int32(fill))
    wide = op.pad(x, _numbers(0, size, 0), _numbers(0, size, 0), "constant", nothing)
    shape = op.concat([_numbers(-1), op.add(n, _numbers(2)), _numbers(size, width)], 0)
    by_block = op.reshape(wide, shape, False)
    shifted = [op.slice(by_block, _numbers(i), op.add(n, _numbers(i)), _numbers(1), _numbers(1)) for i in range(3)]
    return op.concat(shifted, 2)


def _sheared(scores: Any, length: Any) -> Any:
    """From ``[..., length, 2 * length]`` by distance, from ``1 - length`` on, to ``[..., length, length]`` by slot.

    In row i, slot j is at ``j - i + length - 1``: one further to the left in each row, as in a flat array with rows
    that are shorter by one.
    """
    width = op.subtract(op.multiply(length, _number(2)), _number(1))
    start = op.subtract(length, _number(1))
    flat = op.reshape(scores, _numbers(0, 0, -1), True)
    axis = _numbers(0)
    begin, end = (op.unsqueeze(x, axis) for x in (start, op.add(start, op.multiply(length, width))))
    flat = op.slice(flat, begin, end, _numbers(1), _numbers(2))
    shape = op.concat([_numbers(0, 0), op.unsqueeze(length, axis), op.unsqueeze(width, axis)], 0)
    return op.slice(op.reshape(flat, shape, True), _numbers(0), op.unsqueeze(length, axis), _numbers(1), _numbers(3))


def _by_distance(probs: Any, length: Any) -> Any:
    """From ``[..., length, length]`` by slot to ``[..., length, 2 * length]`` by distance: ``_sheared`` backwards."""
    axis = _numbers(0)
    sides = {name: op.unsqueeze(x, axis) for name, x in (("length", length), ("less", op.subtract(length, _number(1))))}
    none = _numbers(0, 0, 0)
    wide = op.pad(probs, _numbers(0, 0, 0, 0), op.concat([none, sides["less"]], 0), "constant", _real(0.0))
    flat = op.reshape(wide, _numbers(0, 0, -1), True)
    before, after = op.concat([_numbers(0, 0), sides["less"]], 0), _numbers(0, 0, 1)
    flat = op.pad(flat, before, after, "constant", _real(0.0))
    shape = op.concat([_numbers(0, 0), sides["length"], op.multiply(sides["length"], _number(2))], 0)
    return op.reshape(flat, shape, True)


def _by_head(x: Any, n_heads: int, head_size: int) -> Any:
    """``[rows, length, hidden]`` as ``[rows, heads, length, head size]``."""
    return op.transpose(op.reshape(x, _numbers(0, 0, n_heads, head_size), True), _numbers(0, 2, 1, 3))


def _repeated(by_head: Any, n_shared: int, n_heads: int, head_size: int) -> Any:
    """Each head of keys or values, repeated."""
    if n_shared == 1:
        return by_head
    copies = op.concat([op.unsqueeze(by_head, _number(2))] * n_shared, 2)
    n_own = n_heads // n_shared
    flat = op.reshape(op.transpose(copies, _numbers(0, 3, 1, 2, 4)), _numbers(0, 0, n_own * n_shared, head_size), True)
    return op.transpose(flat, _numbers(0, 2, 1, 3))


def _differences(position_ids: Any) -> Any:
    """Position i minus position j, ``[rows, length, length]``."""
    return op.subtract(op.unsqueeze(position_ids, _number(2)), op.unsqueeze(position_ids, _number(1)))


def _number(value: int) -> Any:
    return op.constant(np.int64(value))


def _numbers(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


def _real(value: float) -> Any:
    return op.constant(np.float32(value))

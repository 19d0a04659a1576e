"""The primitives in float64, written as they are defined; the other engines are compared with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu_tanh(x: Array) -> Array:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return np.asarray(0.5 * x * (1 + np.tanh(inner)))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: np.asarray(0.5 * x * (1 + _erf(x / math.sqrt(2)))),
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "quick_gelu": lambda x: np.asarray(x / (1 + np.exp(-1.702 * x))),
    "relu": lambda x: np.asarray(np.maximum(x, 0)),
    "silu": lambda x: np.asarray(x / (1 + np.exp(-x))),
    "tanh": lambda x: np.asarray(np.tanh(x)),
}


class NumpyOps:
    """``Ops`` in float64; a mask is true where a slot attends to a piece, ``[rows, 1, length, length]``."""

    def constant(self, array: Array, *, name: str, is_exact: bool = False) -> Array:
        return array if array.dtype.kind == "i" else array.astype(np.float64)

    def gather(self, table: Array, ids: Array) -> Array:
        return np.asarray(table[ids])

    def add(self, left: Array, right: Array) -> Array:
        return np.asarray(left + right)

    def multiply(self, left: Array, right: Array) -> Array:
        return np.asarray(left * right)

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        product = x @ weight.T
        return np.asarray(product if bias is None else product + bias)

    def layer_norm(self, x: Array, weight: Array, bias: Array | None, *, eps: float) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        normal = centred / np.sqrt(variance + eps) * weight
        return np.asarray(normal if bias is None else normal + bias)

    def rms_norm(self, x: Array, weight: Array, *, eps: float) -> Array:
        return np.asarray(x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + eps) * weight)

    def activation(self, x: Array, name: str) -> Array:
        return ACTIVATIONS[name](x)

    def mask(self, sequence_ids: Array, position_ids: Array, *, window: int | None = None) -> Array:
        seen = _between(np.equal, sequence_ids)
        if window is not None:
            seen = seen & (np.abs(_between(np.subtract, position_ids)) <= window // 2)
        return np.asarray(seen[:, None])

    def distances(self, position_ids: Array, buckets: Array, *, n_positions: int) -> Array:
        return np.asarray(buckets[_between(np.subtract, position_ids) + n_positions - 1])

    def rotate(
        self, x: Array, cos: Array, sin: Array, *, n_heads: int, head_size: int, is_interleaved: bool = False
    ) -> Array:
        heads = x.reshape(*x.shape[:2], n_heads, head_size)
        if is_interleaved:
            turned = np.stack([-heads[..., 1::2], heads[..., 0::2]], axis=-1).reshape(heads.shape)
        else:
            turned = np.concatenate([-heads[..., head_size // 2 :], heads[..., : head_size // 2]], axis=-1)
        return np.asarray(heads * cos[:, :, None] + turned * sin[:, :, None]).reshape(x.shape)

    def relative_scores(
        self,
        x: Array,
        table: Array,
        distances: Array,
        *,
        n_heads: int,
        head_size: int,
        side: Literal["query", "key"],
        is_shared: bool = False,
    ) -> Array:
        tables = table.reshape(len(table), 1 if is_shared else n_heads, head_size)
        by_bucket = _by_head(x, n_heads) @ tables.transpose(1, 2, 0)
        index = distances if side == "query" else distances.swapaxes(-1, -2)
        shape = (*by_bucket.shape[:3], index.shape[-1])
        scores = np.take_along_axis(by_bucket, np.broadcast_to(index[:, None], shape), axis=-1)
        return scores if side == "query" else scores.swapaxes(-1, -2)

    def attention(
        self,
        query: Array,
        key: Array,
        value: Array,
        mask: Array,
        *,
        n_heads: int,
        head_size: int,
        n_key_value_heads: int | None = None,
        scale: float | None = None,
        bias: Array | None = None,
        far_values: tuple[Array, Array] | None = None,
    ) -> Array:
        shared = n_heads // (n_key_value_heads or n_heads)
        queries = _by_head(query, n_heads)
        keys, values = (np.repeat(_by_head(x, n_heads // shared), shared, axis=1) for x in (key, value))
        scores = queries @ keys.swapaxes(-1, -2) * (head_size**-0.5 if scale is None else scale)
        scores = np.where(mask, scores if bias is None else scores + bias, -np.inf)
        probs = np.exp(scores - scores.max(axis=-1, keepdims=True))
        probs /= probs.sum(axis=-1, keepdims=True)
        mixed = probs @ values
        if far_values is not None:
            distances, table = far_values
            mixed = mixed + np.einsum("rhij,rijs->rhis", probs, table[distances])
        return np.asarray(mixed.transpose(0, 2, 1, 3).reshape(query.shape))

    def pick(self, x: Array, picks: Array, *, hidden_size: int) -> Array:
        return np.asarray(x.reshape(-1, hidden_size)[picks])


def _between(compare: Callable[[Array, Array], Array], ids: Array) -> Array:
    """Each piece of a row with each, ``[rows, length, length]``."""
    return compare(ids[:, :, None], ids[:, None, :])


def _by_head(x: Array, n_heads: int) -> Array:
    """``[rows, length, hidden]`` as ``[rows, heads, length, head size]``."""
    return x.reshape(*x.shape[:2], n_heads, -1).transpose(0, 2, 1, 3)

"""The reference engine: the encoder in float64, plainly, to compare the others with."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.encoder.build import Model, build_model
from lexel.encoder.layers import Inputs
from lexel.engines.base import Rows, Scores

Array = NDArray[Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu_tanh(x: Array) -> Array:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return np.asarray(0.5 * x * (1 + np.tanh(inner)))


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: np.asarray(0.5 * x * (1 + _erf(x / math.sqrt(2)))),
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "relu": lambda x: np.asarray(np.maximum(x, 0)),
    "silu": lambda x: np.asarray(x / (1 + np.exp(-x))),
    "tanh": lambda x: np.asarray(np.tanh(x)),
}


class NumpyOps:
    """``Ops`` in float64."""

    def constant(self, array: Array) -> Array:
        return array.astype(np.float64)

    def gather(self, table: Array, ids: Array) -> Array:
        return np.asarray(table[ids])

    def add(self, left: Array, right: Array) -> Array:
        return np.asarray(left + right)

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        return np.asarray(x @ weight.T + bias)

    def layer_norm(self, x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        return np.asarray(centred / np.sqrt(variance + eps) * weight + bias)

    def activation(self, x: Array, name: str) -> Array:
        return _ACTIVATIONS[name](x)

    def same_sequence(self, sequence_ids: Array) -> Array:
        return np.asarray(sequence_ids[:, None, :, None] == sequence_ids[:, None, None, :])

    def attention(self, query: Array, key: Array, value: Array, same_sequence: Array, *, n_heads: int) -> Array:
        rows, length, hidden = query.shape

        def by_head(x: Array) -> Array:
            return x.reshape(rows, length, n_heads, hidden // n_heads).transpose(0, 2, 1, 3)

        scores = by_head(query) @ by_head(key).swapaxes(-1, -2) / math.sqrt(hidden // n_heads)
        scores = np.where(same_sequence, scores, -np.inf)
        probs = np.exp(scores - scores.max(axis=-1, keepdims=True))
        probs /= probs.sum(axis=-1, keepdims=True)
        return np.asarray((probs @ by_head(value)).transpose(0, 2, 1, 3).reshape(rows, length, hidden))

    def pick(self, x: Array, picks: Array) -> Array:
        return np.asarray(x.reshape(-1, x.shape[-1])[picks])


class NumpyEngine:
    """Computes in float64 on one thread of this processor."""

    name = "numpy"
    precision = "float64"
    device = "CPU"
    threads = 1

    def __init__(self, checkpoint: Checkpoint, *, heads: Collection[str] | None = None) -> None:
        self._model: Model[Array] = build_model(NumpyOps(), checkpoint, heads)

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        for rows in batches:
            inputs = Inputs(rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids)
            yield dict(zip(outputs, self._model(inputs, rows.picks, outputs), strict=True))

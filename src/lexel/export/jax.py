"""Exports a checkpoint as a StableHLO program and its parameters, for JAX and other tools that read StableHLO.

    jax/model.stablehlo        written by ``jax.export``; called as ``call(params, input_ids, ...)``, int32
    jax/model.safetensors      the parameters by name

The program has no weights and takes any number of rows and any length, on CPUs, GPUs and TPUs. ``build_apply`` returns
the same as a pure function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.convert import write_safetensors
from lexel.checkpoint.tensors import StoredTensor
from lexel.checkpoint.weights import map_safetensors
from lexel.export.parity import Run
from lexel.export.standard import Binary, Reduction, StandardModel, Target, Unary, input_names

PROGRAM, PARAMETERS = "jax/model.stablehlo", "jax/model.safetensors"
PLATFORMS = ("cpu", "cuda", "tpu")

Params = Mapping[str, Any]
Apply = Callable[..., dict[str, Any]]


def build_apply(checkpoint: Checkpoint, target: Target) -> tuple[Apply, dict[str, NDArray[Any]]]:
    """A pure function ``apply(params, input_ids, attention_mask, token_type_ids)``, and its parameters.

    The third input exists only in families with sentence types.
    """
    names = input_names(checkpoint)

    def apply(params: Params, *inputs: Any) -> dict[str, Any]:
        model = StandardModel(JaxOps(params=params), checkpoint, target)
        return {output.name: output.tensor for output in model(dict(zip(names, inputs, strict=True)))}

    found: dict[str, NDArray[Any]] = {}

    def collect(*inputs: Any) -> dict[str, Any]:
        model = StandardModel(JaxOps(found=found), checkpoint, target)
        return {output.name: output.tensor for output in model(dict(zip(names, inputs, strict=True)))}

    jax.eval_shape(collect, *[jax.ShapeDtypeStruct((1, 8), jnp.int32)] * len(names))
    return apply, found


def write_jax(checkpoint: Checkpoint, folder: Path, target: Target) -> None:
    """Write the program and its parameters.

    Raises:
        OptionError: If a graph cannot have its pooling.
        WeightError: If a tensor is missing, or has another shape.
    """
    apply, params = build_apply(checkpoint, target)
    shape = export.symbolic_shape("rows, length")
    rows = [jax.ShapeDtypeStruct(shape, jnp.int32)] * len(input_names(checkpoint))
    shapes = {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in params.items()}
    program = export.export(jax.jit(apply, keep_unused=True), platforms=PLATFORMS)(shapes, *rows)
    (folder / PROGRAM).parent.mkdir(exist_ok=True)
    (folder / PROGRAM).write_bytes(program.serialize())
    kinds = {"f": "F32", "i": "I32"}
    stored = {name: StoredTensor(kinds[array.dtype.kind], array, PARAMETERS) for name, array in params.items()}
    write_safetensors(stored, folder / PARAMETERS)


def run_jax(folder: Path) -> Run:
    """A runner for the exported program."""
    program = export.deserialize(bytearray((folder / PROGRAM).read_bytes()))
    params = {name: jnp.asarray(tensor.read()) for name, tensor in map_safetensors(folder / PARAMETERS).items()}

    def run(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found = program.call(params, *(jnp.asarray(array, jnp.int32) for array in given.values()))
        return {name: np.asarray(array) for name, array in found.items()}

    return run


class JaxOps:
    """``StandardOps`` of ``jax.numpy``; a mask is added to the scores, ``[rows, 1, 1 or length, length]``.

    Args:
        params: The parameters by name.
        found: Collects the parameters instead of using them.
    """

    def __init__(self, *, params: Params | None = None, found: dict[str, NDArray[Any]] | None = None) -> None:
        self._params, self._found = params, found

    def constant(self, array: NDArray[Any], *, name: str, is_exact: bool = False) -> Any:
        if self._params is not None:
            return self._params[name]
        values = array.astype(np.int32 if array.dtype.kind == "i" else np.float32, copy=False)
        if self._found is not None:
            self._found[name] = values
        return jnp.asarray(values)

    def gather(self, table: Any, ids: Any) -> Any:
        return jnp.take(table, ids, axis=0, mode="clip")

    def add(self, left: Any, right: Any) -> Any:
        return left + right

    def multiply(self, left: Any, right: Any) -> Any:
        return left * right

    def linear(self, x: Any, weight: Any, bias: Any | None) -> Any:
        product = x @ weight.T
        return product if bias is None else product + bias

    def layer_norm(self, x: Any, weight: Any, bias: Any | None, *, eps: float) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        normal = centred * jax.lax.rsqrt(jnp.square(centred).mean(axis=-1, keepdims=True) + eps) * weight
        return normal if bias is None else normal + bias

    def rms_norm(self, x: Any, weight: Any, *, eps: float) -> Any:
        return x * jax.lax.rsqrt(jnp.square(x).mean(axis=-1, keepdims=True) + eps) * weight

    def activation(self, x: Any, name: str) -> Any:
        return _ACTIVATIONS[name](x)

    def mask(self, sequence_ids: Any, position_ids: Any, *, window: int | None = None) -> Any:
        seen = sequence_ids[:, None, None, :] > 0
        if window is not None:
            seen = seen & (jnp.abs(_slots_apart(position_ids)) <= window // 2)
        return jnp.where(seen, 0.0, -1e9)

    def distances(self, position_ids: Any, buckets: Any, *, n_positions: int) -> Any:
        places = jnp.clip(_slots_apart(position_ids) + n_positions - 1, 0, 2 * n_positions - 2)
        return buckets[places]

    def rotate(self, x: Any, cos: Any, sin: Any, *, n_heads: int, head_size: int, is_interleaved: bool = False) -> Any:
        heads = x.reshape(*x.shape[:2], n_heads, head_size)
        if is_interleaved:
            turned = jnp.stack([-heads[..., 1::2], heads[..., 0::2]], axis=-1).reshape(heads.shape)
        else:
            turned = jnp.concatenate([-heads[..., head_size // 2 :], heads[..., : head_size // 2]], axis=-1)
        return (heads * cos[:, :, None] + turned * sin[:, :, None]).reshape(x.shape)

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
        tables = table.reshape(table.shape[0], 1 if is_shared else n_heads, head_size)
        by_bucket = _by_head(x, n_heads, head_size) @ tables.transpose(1, 2, 0)
        index = distances if side == "query" else distances.T
        scores = jnp.take_along_axis(by_bucket, index[None, None], axis=-1)
        return scores if side == "query" else scores.swapaxes(-1, -2)

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
        keys, values = (jnp.repeat(_by_head(x, n_own, head_size), n_heads // n_own, axis=1) for x in (key, value))
        products = _by_head(query, n_heads, head_size) @ keys.swapaxes(-1, -2)
        scores = products * (head_size**-0.5 if scale is None else scale)
        scores = (scores if bias is None else scores + bias) + mask
        probs = jax.nn.softmax(scores, axis=-1)
        mixed = probs @ values
        if far_values is not None:
            distances, table = far_values
            mixed = mixed + jnp.einsum("rhij,ijs->rhis", probs, table[distances])
        mixed = mixed.transpose(0, 2, 1, 3)
        return mixed.reshape(*mixed.shape[:2], n_heads * head_size)

    def pick(self, x: Any, picks: Any, *, hidden_size: int) -> Any:
        return x if picks is None else x[:, picks]

    # What positions and pooling need ---------------------------------------------------------------------------------

    def slots(self, ids: Any) -> Any:
        return jnp.arange(ids.shape[1])[None]

    def counted(self, ids: Any, pad_id: int) -> Any:
        return jnp.maximum(jnp.cumsum(ids != pad_id, axis=1) - 1, 0)

    def weights_of(self, mask: Any) -> Any:
        return mask[..., None].astype(jnp.float32)

    def real(self, value: float) -> Any:
        return jnp.float32(value)

    def unary(self, kind: Unary, x: Any) -> Any:
        return jnp.sqrt(x) if kind == "sqrt" else jax.nn.sigmoid(x)

    def binary(self, kind: Binary, left: Any, right: Any) -> Any:
        return getattr(jnp, kind)(left, right)

    def reduced(self, kind: Reduction, x: Any, *, axis: int, keeps_axis: bool = False) -> Any:
        return getattr(jnp, kind)(x, axis=axis, keepdims=keeps_axis)

    def shares(self, x: Any) -> Any:
        return jax.nn.softmax(x, axis=1)

    def at(self, x: Any, index: int, *, axis: int) -> Any:
        return jax.lax.index_in_dim(x, index, axis, keepdims=False)

    def joined(self, parts: Sequence[Any]) -> Any:
        return jnp.concatenate(parts, axis=-1)


def _gelu_tanh(x: Any) -> Any:
    return jax.nn.gelu(x, approximate=True)


_ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
}


def _slots_apart(position_ids: Any) -> Any:
    """Slot i minus slot j, ``[length, length]``."""
    slots = jnp.arange(position_ids.shape[1])
    return slots[:, None] - slots[None, :]


def _by_head(x: Any, n_heads: int, head_size: int) -> Any:
    """``[rows, length, hidden]`` as ``[rows, heads, length, head size]``."""
    return x.reshape(*x.shape[:2], n_heads, head_size).transpose(0, 2, 1, 3)

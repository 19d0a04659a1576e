"""Reads weights of old checkpoints that transformers no longer reads: ``flax_model.msgpack`` and ``tf_model.h5``.

Their tensors get the names of a PyTorch checkpoint. Neither Flax nor TensorFlow is needed: one file is msgpack with
arrays as extension type 1 (``flax.serialization``), the other HDF5 as Keras writes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.tensors import StoredTensor
from lexel.disk import open_regular, refused
from lexel.errors import MissingExtra, WeightError

FLAX, TENSORFLOW = "flax_model.msgpack", "tf_model.h5"

_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int64": "I64", "int32": "I32"}
_CHUNKED = "__msgpack_chunked_array__"
_ARRAY = 1


def old_weight_file(folder: Path) -> str | None:
    """The name of the folder's weights in an old format."""
    return next((name for name in (FLAX, TENSORFLOW) if (folder / name).is_file()), None)


def read_old_weights(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of an old checkpoint, by their PyTorch names.

    Raises:
        MissingExtra: If the library that reads the file is not installed.
        WeightError: If there is no such file, or it is damaged.
    """
    name = old_weight_file(folder)
    if name is None:
        raise WeightError(f"{folder}: no {FLAX} and no {TENSORFLOW}; expected one of them")
    library, read, rename = _READERS[name]
    if find_spec(library) is None:
        raise MissingExtra(f'reading {name} needs {library}: pip install "lexel[convert]"')
    path, tensors = folder / name, {}
    for old, tensor in read(path):
        new, is_transposed = rename(old)
        if new in tensors:
            raise WeightError(f"{path}: tensor {old!r} is there twice; expected it once. Download the file again")
        tensors[new] = _transposed(tensor) if is_transposed and tensor.values.ndim == 2 else tensor
    if not tensors:
        raise WeightError(f"{path}: holds no tensors; expected those of a model. Download the file again")
    return tensors


def _transposed(tensor: StoredTensor) -> StoredTensor:
    return StoredTensor(tensor.dtype, tensor.values.T, tensor.file)


# Flax ----------------------------------------------------------------------------------------------------------------


def _read_flax(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    import msgpack

    try:
        with open_regular(path) as file:
            whole = msgpack.unpackb(file.read(), ext_hook=_unpacked, raw=False, strict_map_key=False)
        params = whole["params"] if set(whole) == {"params"} else whole
        yield from _flat(params, path.name)
    except OSError as cause:
        raise WeightError(f"{path}: {refused(cause, doing='read')}; expected the parameters of a Flax model") from cause
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as cause:
        raise WeightError(f"{path}: not the parameters of a Flax model ({cause}). Download the file again") from cause


def _unpacked(code: int, data: bytes) -> Any:
    """An array that Flax packed: its shape, the name of its type, and its bytes."""
    import msgpack

    if code != _ARRAY:
        raise ValueError(f"extension type {code}")
    shape, dtype, buffer = msgpack.unpackb(data, raw=False)
    values = np.frombuffer(buffer, "<u2" if dtype == "bfloat16" else dtype).reshape(shape)
    return StoredTensor(_DTYPES[dtype], values, FLAX)


def _flat(params: Mapping[str, Any], file: str, prefix: str = "") -> Iterator[tuple[str, StoredTensor]]:
    for name, value in params.items():
        if isinstance(value, StoredTensor):
            yield prefix + name, value
        elif _CHUNKED in value:
            yield prefix + name, _whole(value)
        else:
            yield from _flat(value, file, f"{prefix}{name}.")


def _whole(chunked: Mapping[str, Any]) -> StoredTensor:
    """An array that was too large for one message."""
    parts: list[StoredTensor] = [chunked["chunks"][str(i)] for i in range(len(chunked["chunks"]))]
    shape = [chunked["shape"][str(i)] for i in range(len(chunked["shape"]))]
    values = np.concatenate([part.values for part in parts]).reshape(shape)
    return StoredTensor(parts[0].dtype, values, FLAX)


def _flax_name(name: str) -> tuple[str, bool]:
    parent, _, last = name.rpartition(".")
    own = {"kernel": "weight", "scale": "weight", "embedding": "weight"}.get(last, last)
    return f"{parent}.{own}" if parent else own, last == "kernel"


# TensorFlow ----------------------------------------------------------------------------------------------------------


def _read_tensorflow(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    import h5py

    try:
        open_regular(path).close()  # h5py's own words for a missing file fill several lines
    except OSError as cause:
        raise WeightError(f"{path}: {refused(cause, doing='read')}; expected the weights of a Keras model") from cause
    try:
        with h5py.File(path, "r") as file:
            for layer in file.attrs["layer_names"]:
                group = file[_text(layer)]
                for name in group.attrs["weight_names"]:
                    yield _text(name), _stored(group[_text(name)][()])
    except (OSError, KeyError, ValueError) as cause:
        raise WeightError(f"{path}: not the weights of a Keras model ({cause}). Download the file again") from cause


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _stored(values: NDArray[Any]) -> StoredTensor:
    return StoredTensor(_DTYPES[values.dtype.name], values, TENSORFLOW)


def _tensorflow_name(name: str) -> tuple[str, bool]:
    """The PyTorch name of ``model/bert/encoder/layer_._0/attention/self/query/kernel:0``, without the model's name."""
    name = re.sub(r"/[^/]*___([^/]*)/", r"/\1/", name.removesuffix(":0")).replace("_._", "/")
    parts = [part for part in name.split("/") if part]
    *parents, last = parts[1:] if len(parts) > 1 else parts
    own = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}.get(last, last)
    return ".".join([*parents, own]), last == "kernel"


_Read = Callable[[Path], Iterator[tuple[str, StoredTensor]]]
_READERS: Mapping[str, tuple[str, _Read, Callable[[str], tuple[str, bool]]]] = {
    FLAX: ("msgpack", _read_flax, _flax_name),
    TENSORFLOW: ("h5py", _read_tensorflow, _tensorflow_name),
}

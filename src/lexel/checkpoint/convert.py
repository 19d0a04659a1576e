"""Writes a folder's weights as ``model.safetensors``, with the other files of a model folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lexel.checkpoint.folder import copy_description, new_folder
from lexel.checkpoint.old_formats import FLAX, TENSORFLOW, old_weight_file, read_old_weights
from lexel.checkpoint.tensors import DTYPES, StoredTensor
from lexel.checkpoint.weights import BIN, BIN_INDEX, SAFETENSORS, read_tensors, weight_file
from lexel.errors import WeightError

_ALIGNMENT_BYTES = 64


def convert(folder: Path, out: Path) -> Path:
    """Write a copy of a model folder with its weights in one ``model.safetensors``.

    The folder appears under its name only when it is complete and on disk. Tensors keep their names, types and values;
    a storage that several tensors share is written once for each.

    Args:
        folder: A model folder with ``pytorch_model.bin`` or its shards, else ``flax_model.msgpack`` or
            ``tf_model.h5``.
        out: The new folder; it must not exist.

    Returns:
        ``out``.

    Raises:
        CheckpointError: If ``out`` exists, there is nothing to convert, or the disk refuses.
        MissingExtra: If the library that reads an old format is not installed.
        WeightError: If the weights are damaged, or contain anything but tensors.
    """
    with new_folder(out) as partial:
        file = weight_file(folder)
        if file not in (BIN, BIN_INDEX) and (file is not None or old_weight_file(folder) is None):
            found = f"has {file} already" if file else f"no {BIN}"
            raise WeightError(f"{folder}: {found}; expected {BIN} or its shards, {FLAX} or {TENSORFLOW}")
        tensors = read_old_weights(folder) if file is None else read_tensors(folder, file)
        write_safetensors(tensors, partial / SAFETENSORS)
        copy_description(folder, partial)
    return out


def write_safetensors(tensors: Mapping[str, StoredTensor], path: Path) -> None:
    """Write tensors as a safetensors file, wide types first, so that each begins at a multiple of its width."""
    names = sorted(tensors, key=lambda name: (-np.dtype(DTYPES[tensors[name].dtype]).itemsize, name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name in names:
        tensor = tensors[name]
        end = position + tensor.values.size * tensor.values.itemsize
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(len(text) + 8) % _ALIGNMENT_BYTES)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            _write_values(file, tensors[name])


def _write_values(file: BinaryIO, tensor: StoredTensor) -> None:
    file.write(np.ascontiguousarray(tensor.values).reshape(-1).view(np.uint8).data)

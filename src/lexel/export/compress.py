"""Stores weights in eight bits: a model folder of half or a quarter of the size, for every engine.

Each row of a matrix is stored as integers from -127 to 127 with one factor, and everything else as float16. Matrices
are converted back to floating-point numbers when they are read. So this saves disk space, not time; use
``lexel quantize`` to make a model faster.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.convert import write_safetensors
from lexel.checkpoint.folder import copy_description, new_folder
from lexel.checkpoint.tensors import StoredTensor
from lexel.checkpoint.weights import SAFETENSORS, SCALE_ENDING, read_tensors, weight_file
from lexel.disk import write_json
from lexel.errors import WeightError
from lexel.jsonfile import read_object
from lexel.provenance import Step, folder_material, write_provenance

LEAST_NUMBERS = 4096
"""Smaller matrices, such as those of heads, stay in float16, since they need little space."""

_MOST = 127


def compress(folder: Path, out: Path, *, origin: str | None = None) -> Path:
    """Write a copy of a model folder with its matrices in eight bits.

    Args:
        folder: The model folder.
        out: The new folder; it must not exist.
        origin: The model's name in the provenance; by default the folder's name.

    Raises:
        CheckpointError: If ``out`` exists, or the disk refuses.
        WeightError: If the folder has no weights, or they are damaged.
    """
    file = weight_file(folder)
    if file is None:
        raise WeightError(f"{folder}: no weights; expected a model folder. Choose the folder with {SAFETENSORS}")
    tensors: dict[str, StoredTensor] = {}
    for name, tensor in read_tensors(folder, file).items():
        if tensor.float_name is None:
            tensors[name] = tensor
        elif len(tensor.shape) == 2 and tensor.values.size >= LEAST_NUMBERS:
            values, scale = in_eight_bits(tensor.read().astype(np.float32))
            tensors[name] = StoredTensor("I8", values, SAFETENSORS)
            tensors[f"{name}{SCALE_ENDING}"] = StoredTensor("F32", scale, SAFETENSORS)
        else:
            tensors[name] = StoredTensor("F16", tensor.read().astype(np.float16), SAFETENSORS)
    with new_folder(out) as partial:
        write_safetensors(tensors, partial / SAFETENSORS)
        copy_description(folder, partial)
        _forget_graph(partial / "lexel.json")
        write_provenance(partial, Step("compress", {}, [folder_material(folder, name=origin or folder.name)]))
    return out


def _forget_graph(path: Path) -> None:
    """Remove the entry of a quantised graph, which is not copied and was made from other weights."""
    if path.is_file() and "quantised" in (values := read_object(path)):
        write_json(path, {key: value for key, value in values.items() if key != "quantised"})


def in_eight_bits(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix as integers ``[rows, columns]`` and the factor of each row ``[rows, 1]``."""
    scale = np.abs(matrix).max(axis=1, keepdims=True) / np.float32(_MOST)
    scale = np.where(scale > 0, scale, np.float32(1)).astype(np.float32)
    return np.rint(matrix / scale).astype(np.int8), scale

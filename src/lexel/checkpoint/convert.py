"""Writing a folder's ``pytorch_model.bin`` as ``model.safetensors``, with everything else a model folder needs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np

from lexel.checkpoint.source import DESCRIPTION_FILES, TOKENIZER_FILES
from lexel.checkpoint.tensors import DTYPES, StoredTensor
from lexel.checkpoint.weights import BIN, BIN_INDEX, SAFETENSORS, read_tensors, weight_file
from lexel.errors import CheckpointError, WeightError

_ALIGNMENT_BYTES = 64
_KEPT = (*DESCRIPTION_FILES, *TOKENIZER_FILES)


def convert(folder: Path, out: Path) -> Path:
    """Write a copy of a model folder with its weights in one ``model.safetensors``.

    The folder appears under its name only when it is whole and on the disk. Tensors keep their names, types and
    numbers; a storage that several tensors share is written once for each.

    Args:
        folder: A model folder with ``pytorch_model.bin`` or its shards.
        out: The new folder; it must not exist.

    Returns:
        ``out``.

    Raises:
        CheckpointError: If ``out`` exists, there is nothing to convert, or the disk refuses.
        WeightError: If the weights are damaged, or ask for anything but tensors.
    """
    if out.exists():
        raise CheckpointError(f"{out}: is there already; nothing was overwritten. Choose a new folder")
    file = weight_file(folder)
    if file not in (BIN, BIN_INDEX):
        raise WeightError(f"{folder}: {f'has {file} already' if file else f'no {BIN}'}; expected {BIN} or its shards")
    tensors = read_tensors(folder, file)
    partial = out.with_name(f".{out.name}.{uuid4().hex[:8]}.partial")
    try:
        partial.mkdir(parents=True)
        write_safetensors(tensors, partial / SAFETENSORS)
        for path in _kept_files(folder):
            shutil.copyfile(path, partial / path.name)
        _sync(partial.iterdir())
        partial.rename(out)
        _sync([out.parent])
    except OSError as cause:
        raise CheckpointError(
            f"{out}: not written ({cause.strerror or cause}); nothing was left. Make room and try again"
        ) from cause
    finally:
        shutil.rmtree(partial, ignore_errors=True)
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


def _kept_files(folder: Path) -> list[Path]:
    """The folder's own files that belong to a model, apart from weights; code is left behind."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and any(fnmatchcase(path.name, pattern) for pattern in _KEPT)
    ]


def _sync(paths: Iterable[Path]) -> None:
    """Have files, and on POSIX folders, on the disk."""
    for path in paths:
        if path.is_dir() and os.name != "posix":
            continue
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

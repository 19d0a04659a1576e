"""Exports one head of a checkpoint as a plain Hugging Face folder, checked with transformers' own PyTorch model.

    model.safetensors      the usual format
    pytorch_model.bin      the same for programs without safetensors support: a pickle with tensors only

The encoder's tensors keep their names; the head's get the names that the family uses in plain folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.convert import write_safetensors
from lexel.checkpoint.tensors import StoredTensor
from lexel.checkpoint.weights import BIN, SAFETENSORS, read_tensors, weight_file
from lexel.encoder.family import HeadNames, ModelConfig
from lexel.engines.heads import is_plain
from lexel.errors import OptionError, WeightError
from lexel.export.parity import Run
from lexel.export.standard import Target
from lexel.jsonfile import read_object

_OWN = "heads."


def write_torch(checkpoint: Checkpoint, folder: Path, target: Target) -> None:
    """Write the weights of one head's model as ``model.safetensors``.

    Raises:
        OptionError: If transformers has no model with such a head, or with such adapters.
    """
    write_safetensors(_model_tensors(checkpoint, target), folder / SAFETENSORS)


def write_bin(checkpoint: Checkpoint, folder: Path, target: Target) -> None:
    """Write the weights of one head's model as ``pytorch_model.bin``; see ``write_torch``."""
    tensors = _model_tensors(checkpoint, target)
    torch.save({name: _tensor(stored) for name, stored in tensors.items()}, folder / BIN)


def run_torch(folder: Path) -> Run:
    """A runner for ``model.safetensors``, loaded by transformers."""
    return _run(folder, use_safetensors=True)


def run_bin(folder: Path) -> Run:
    """A runner for ``pytorch_model.bin``, loaded by transformers."""
    return _run(folder, use_safetensors=False)


def _run(folder: Path, *, use_safetensors: bool) -> Run:
    (name,) = read_object(folder / "config.json")["architectures"]
    load = getattr(transformers, name).from_pretrained
    model = load(folder, attn_implementation="eager", use_safetensors=use_safetensors).eval().float()

    def run(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with torch.no_grad():
            found = model(**{key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in given.items()})
        return {key: tensor.numpy() for key, tensor in found.items() if isinstance(tensor, torch.Tensor)}

    return run


def _tensor(stored: StoredTensor) -> torch.Tensor:
    """A tensor in its own type, including bfloat16, which numpy lacks."""
    tensor = torch.from_numpy(stored.read().copy())
    return tensor.bfloat16() if stored.dtype == "BF16" else tensor


def _model_tensors(checkpoint: Checkpoint, target: Target) -> dict[str, StoredTensor]:
    """The tensors of a plain folder."""
    source = checkpoint.source.folder
    file = weight_file(source)
    if file is None:
        raise WeightError(f"{source}: no weights; expected a model folder")
    if checkpoint.adapter is not None:
        raise OptionError(f"{source}: has bottleneck adapters, which transformers' models have not; export to onnx")
    classes = checkpoint.config.family.model_types[checkpoint.config.model_type].classes
    if not hasattr(transformers, f"{classes}Model"):
        raise OptionError(
            f"{source}: transformers {transformers.__version__} has no class {classes}Model; export to another format"
        )
    return dict(_plain_tensors(read_tensors(source, file), checkpoint.config, target.head))


def _plain_tensors(
    tensors: Mapping[str, StoredTensor], config: ModelConfig, head: Head | None
) -> Iterator[tuple[str, StoredTensor]]:
    """The tensors of the encoder and one head, by the names that transformers expects."""
    names = {} if head is None or is_plain(head, config) else _renamed(head, config)
    for name, tensor in tensors.items():
        own, dot, last = name.rpartition(".")
        if own in names:
            yield names[own] + dot + last, _as_float(tensor)
        elif not name.startswith(_OWN):
            yield name, _as_float(tensor)


def _as_float(tensor: StoredTensor) -> StoredTensor:
    """A tensor with the scales of its rows applied."""
    return tensor if tensor.scale is None else StoredTensor("F32", tensor.read().astype(np.float32), tensor.file)


def _renamed(head: Head, config: ModelConfig) -> dict[str, str]:
    """The names of a head's layers in a plain folder, by Lexel's names."""
    family, prefix = config.family, head.prefix
    if head.task == "fill" and family.fill.dense is not None and family.fill.norm is not None:
        fill = family.fill
        own = {f"{prefix}.dense": family.fill.dense, f"{prefix}.layer_norm": family.fill.norm}
        return {**own, f"{prefix}.decoder": fill.decoder, prefix: fill.bias.rpartition(".")[0]}
    names: HeadNames = {"classify": family.classify, "answer": family.answer}.get(head.task, family.tagging)
    if head.task not in ("classify", "fill") and names.dense is None:
        return {prefix: names.output}
    if head.task == "classify" and names.dense is not None and names.norm is None:
        return {f"{prefix}.dense": names.dense, f"{prefix}.out_proj": names.output}
    maps = ", ".join(name for name in (names.dense, names.norm, names.output) if name is not None)
    raise OptionError(
        f"head {head.name!r}: has other maps than the head of transformers' {config.model_type} ({maps}). Train this "
        "head alone, or export to another format"
    )

"""A model folder's weights, requested by the checkpoint's own names and with their shapes.

    weights = open_weights(folder)
    layer = weights.base("bert").at("encoder.layer.3")
    weight, bias = layer.linear("attention.self.query", (768, 768))
    weights.check_used()          # unused tensors are an error, except those in HARMLESS

The safetensors header is read here (format: https://github.com/huggingface/safetensors#format) because the library's
numpy loader copies every tensor; these are views of the mapped file.
"""

from __future__ import annotations

import difflib
import logging
import mmap
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import translate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.pickles import map_bin
from lexel.checkpoint.tensors import DTYPES, StoredTensor, map_file
from lexel.disk import sha256_of
from lexel.errors import WeightError
from lexel.jsonfile import LARGEST_BYTES, parse_object, read_object

SAFETENSORS, SAFETENSORS_INDEX = "model.safetensors", "model.safetensors.index.json"
BIN, BIN_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SCALE_ENDING = "_scale"
"""The suffix of a matrix's name for the scales of its rows, as in the format compressed-tensors."""

HARMLESS = (
    ("*position_ids", "a buffer 0, 1, 2 ... that transformers saved until 4.31"),
    ("*embeddings.token_type_ids", "a buffer of zeros that transformers saved until 4.31"),
    ("pooler.*", "the pooler of a bare encoder, which tagging does not use"),
    ("*.pooler.*", "the same in a task model"),
    ("qa_outputs.*", "a head that answers questions, where another task is asked for"),
    ("loss_fct.*", "weights of a training loss"),
    ("loss_fn.*", "the same"),
    ("criterion.*", "the same"),
)
"""Patterns of tensors that may be unused in any family, with the reason; each family has more."""

MOST_TENSORS = 100_000
"""Maximum number of tensors in a folder; a model of 100 layers has about 2,000."""

_LONGEST_NAME = 500
_MOST_COMPARED = 2_000
"""Maximum number of names to search for one similar to a missing name."""

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""Prefixes that wrappers add to every name: torch's parallel training and compilation, Lightning's modules."""

_OLD_NAMES = {"weight": "gamma", "bias": "beta"}
_HEADER_LENGTH_BYTES = 8


_logger = logging.getLogger("lexel")


@dataclass(slots=True)
class _Store:
    """The shared state of all views of one folder's weights."""

    file: str
    tensors: Mapping[str, StoredTensor]
    heads: Mapping[str, str]
    used: set[str] = field(default_factory=set)


class Weights:
    """The tensors under a prefix; requesting one marks it as used."""

    __slots__ = ("_prefix", "_store")

    def __init__(self, store: _Store, prefix: str = "") -> None:
        self._store = store
        self._prefix = prefix

    @property
    def names(self) -> tuple[str, ...]:
        """The names under the prefix, without it, in order of name."""
        n = len(self._prefix)
        return tuple(name[n:] for name in sorted(self._store.tensors) if name.startswith(self._prefix))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors under the prefix, by name without it."""
        return {name: self._store.tensors[self._prefix + name].shape for name in self.names}

    @property
    def dtype(self) -> str:
        """The type of most values: ``float32``, ``float16``, ``bfloat16``, ``float64``, or ``int8`` with scales."""
        sizes: dict[str, int] = {}
        for tensor in self._store.tensors.values():
            if tensor.float_name:
                sizes[tensor.float_name] = sizes.get(tensor.float_name, 0) + tensor.values.size
        return max(sizes, key=lambda name: sizes[name], default="float32")

    def at(self, prefix: str) -> Weights:
        """The tensors under ``prefix.``."""
        return Weights(self._store, f"{self._prefix}{prefix}.")

    def base(self, prefix: str) -> Weights:
        """The encoder: under ``prefix.`` in a task model's checkpoint, at the root in a bare encoder's."""
        return self.at(prefix) if any(name.startswith(f"{prefix}.") for name in self.names) else self

    def full_name(self, name: str) -> str:
        """The full name in the file, with the prefix of this view."""
        return self._prefix + name

    def has(self, name: str) -> bool:
        """Whether there is such a tensor, by this name or its old one."""
        return self._find(name) is not None

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor whose size is not in a config.

        Raises:
            WeightError: If there is no such tensor.
        """
        found = self._find(name)
        if found is None:
            raise WeightError(self._missing(name))
        return self._store.tensors[found].shape

    def tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        """A tensor as stored (bfloat16 widened to float32), without a copy if possible.

        The array may be written to; the file never changes.

        Raises:
            WeightError: If there is no such tensor, or it has another shape.
        """
        found = self._find(name)
        if found is None:
            raise WeightError(self._missing(name))
        stored = self._store.tensors[found]
        if stored.shape != tuple(shape):
            raise WeightError(
                f"{stored.file}: tensor {found!r} has shape {stored.shape}, the config needs {tuple(shape)}"
                + self._source_of_shape(found)
            )
        self._store.used.add(found)
        values = stored.read()
        if stored.float_name and values.size and np.isnan(values.min()):  # the minimum is NaN if any value is
            raise WeightError(f"{stored.file}: tensor {found!r} holds NaN; expected numbers. Download the file again")
        return values

    def linear(self, name: str, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weight ``[outputs, inputs]`` and bias ``[outputs]`` of a linear map."""
        return self.tensor(f"{name}.weight", shape), self.tensor(f"{name}.bias", shape[:1])

    def layer_norm(self, name: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weight and bias ``[size]`` of a layer normalisation; TensorFlow's names are ``gamma`` and ``beta``."""
        return self.tensor(f"{name}.weight", (size,)), self.tensor(f"{name}.bias", (size,))

    def release(self) -> None:
        """Release the memory of the mapped files; later accesses read the file again.

        For an engine that has its own copy of the tensors. Changes of the arrays are lost.
        """
        if not hasattr(mmap, "MADV_DONTNEED"):  # Windows
            return
        mappings = [tensor.mapping for tensor in self._store.tensors.values()]
        for mapping in {id(mapping): mapping for mapping in mappings if mapping is not None}.values():
            mapping.madvise(mmap.MADV_DONTNEED)

    def check_used(self, harmless: Iterable[str] = ()) -> None:
        """Check that every tensor of the file was requested, whatever the prefix of this view.

        Args:
            harmless: Patterns (``heads.pos.*``) that may be unused in addition to ``HARMLESS``.

        Raises:
            WeightError: With the names of unused tensors.
        """
        patterns = [pattern for pattern, _ in HARMLESS] + list(harmless)
        is_harmless = re.compile("|".join(map(translate, patterns))).match
        unused = [name for name in sorted(self._store.tensors.keys() - self._store.used) if not is_harmless(name)]
        if unused:
            more = f", ... {len(unused) - 5} more" if len(unused) > 5 else ""
            raise WeightError(
                f"{self._store.file}: {len(unused)} tensors belong to no part of the model that config.json describes: "
                f"{', '.join(unused[:5])}{more}. Check model_type, num_hidden_layers and architectures in config.json"
            )

    def _find(self, name: str) -> str | None:
        """The full name of a stored tensor."""
        full = self._prefix + name
        if full in self._store.tensors:
            return full
        parent, _, last = full.rpartition(".")
        old = f"{parent}.{_OLD_NAMES[last]}" if last in _OLD_NAMES else full
        return old if old in self._store.tensors else None

    def _head_of(self, full: str) -> str | None:
        return next((prefix for prefix in self._store.heads if full.startswith(f"{prefix}.")), None)

    def _source_of_shape(self, full: str) -> str:
        head = self._head_of(full)
        if head is None:
            return ". The weights and config.json do not belong together"
        return f". The label count came from {self._store.heads[head]}: give one label for each row of the tensor"

    def _missing(self, name: str) -> str:
        full, store = self._prefix + name, self._store
        if self._head_of(full) is not None:
            said = "the folder holds a bare encoder. Train a head first, or use embed or fill"
            return f"{store.file}: no tensor {full!r}; {said}"
        near = difflib.get_close_matches(full, list(store.tensors)[:_MOST_COMPARED], n=1, cutoff=0.5)
        hint = f", the nearest is {near[0]!r}" if near else ""
        advice = "The weights and config.json do not belong together"
        return f"{store.file}: no tensor {full!r} among {len(store.tensors)}{hint}. {advice}"


# Folders -------------------------------------------------------------------------------------------------------------


def open_weights(folder: Path, *, heads: Mapping[str, str] | None = None) -> Weights:
    """Open a folder's weights: ``model.safetensors`` or its shards, else ``pytorch_model.bin`` or its shards.

    Args:
        folder: The model folder; other frameworks' files in it are ignored.
        heads: Weight prefix of each head, with the file its label count came from, for messages.

    Raises:
        WeightError: If there are none, or a file is damaged.
    """
    file = weight_file(folder)
    if file is None:
        raise WeightError(
            f"{folder}: no {SAFETENSORS} and no {BIN} (nor their shards); expected the weights of a model"
        )
    return Weights(_Store(file, read_tensors(folder, file), heads or {}))


def open_file(path: Path) -> Weights:
    """Open one safetensors file; a file that does not exist has no tensors."""
    return Weights(_Store(path.name, map_safetensors(path) if path.exists() else {}, {}))


def weight_file(folder: Path) -> str | None:
    """The name of the file, or of the index, of a folder's weights."""
    return next((name for name in (SAFETENSORS, SAFETENSORS_INDEX, BIN, BIN_INDEX) if (folder / name).exists()), None)


def read_tensors(folder: Path, file: str) -> dict[str, StoredTensor]:
    """All tensors of a weight file, or of the shards that an index names.

    Raises:
        WeightError: If a file is damaged, or the names are too many, too long or not printable.
    """
    tensors = _unwrapped(_read_files(folder, file), folder / file)
    if len(tensors) > MOST_TENSORS:
        raise WeightError(f"{folder / file}: {len(tensors):,} tensors; expected at most {MOST_TENSORS:,}")
    odd = next((name for name in tensors if len(name) > _LONGEST_NAME or not name.isprintable()), None)
    if odd is not None:
        raise WeightError(
            f"{folder / file}: a tensor is called {odd[:100]!r}; expected a printable name of at most {_LONGEST_NAME} "
            "characters"
        )
    return tensors


def _unwrapped(tensors: dict[str, StoredTensor], path: Path) -> dict[str, StoredTensor]:
    """The tensors without a wrapper's prefix."""
    taken_off = ""
    while tensors and (wrapper := next((one for one in WRAPPERS if all(map(_begins(one), tensors))), None)):
        tensors = {name.removeprefix(wrapper): tensor for name, tensor in tensors.items()}
        taken_off += wrapper
    if taken_off:
        _logger.info("%s: all names begin with %r, which a wrapper added; it is removed", path, taken_off)
    return tensors


def _begins(prefix: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(prefix)


def _read_files(folder: Path, file: str) -> dict[str, StoredTensor]:
    read: Callable[[Path], dict[str, StoredTensor]] = map_bin if file in (BIN, BIN_INDEX) else map_safetensors
    if file in (SAFETENSORS, BIN):
        return with_scales(read(folder / file))
    index, listed = folder / file, _weight_map(folder / file)
    tensors: dict[str, StoredTensor] = {}
    for shard in sorted(set(listed.values())):
        found = read(folder / shard)
        twice = tensors.keys() & found.keys()
        if twice:
            raise WeightError(f"{folder / shard}: tensor {min(twice)!r} is in another shard too; expected it once")
        tensors |= found
    missing = [name for name, shard in listed.items() if name not in tensors or tensors[name].file != shard]
    if missing:
        raise WeightError(f"{index}: tensor {missing[0]!r} is not in {listed[missing[0]]!r}. Download the shards again")
    return with_scales(tensors)


def with_scales(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Tensors in which each ``NAME_scale`` has become the scale of the matrix ``NAME`` of eight-bit numbers.

    Raises:
        WeightError: If a scale does not have a number for each row.
    """
    found = dict(tensors)
    for name, tensor in tensors.items():
        scale = tensors.get(f"{name}{SCALE_ENDING}") if tensor.dtype == "I8" else None
        if scale is None:
            continue
        if scale.float_name is None or len(tensor.shape) != 2 or scale.shape != (tensor.shape[0], 1):
            raise WeightError(
                f"{scale.file}: tensor {name + SCALE_ENDING!r} is {scale.dtype} {scale.shape}; expected a floating "
                f"number for each row of {name!r}, {(*tensor.shape[:1], 1)}. Download the file again"
            )
        found[name] = replace(tensor, scale=scale.read())
        del found[f"{name}{SCALE_ENDING}"]
    return found


def _weight_map(index: Path) -> dict[str, str]:
    """The shard of each tensor; it must be a plain file name, so that nothing outside the folder is opened."""
    listed = read_object(index, error=WeightError).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise WeightError(f"{index}: no weight_map; expected the file of each tensor by name")
    for name, shard in listed.items():
        if not isinstance(shard, str) or shard in ("", ".", "..") or any(sign in shard for sign in "/\\:\0"):
            raise WeightError(
                f"{index}: tensor {name!r} lies in {shard!r}; expected the plain name of a file in the folder"
            )
    return listed


# One safetensors file ------------------------------------------------------------------------------------------------


def map_safetensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file as views of it, by name.

    Raises:
        WeightError: If the header is invalid, or does not match the file.
    """
    mapping = map_file(path)
    header, start = _header(path, mapping)
    tensors = {}
    ranges = []
    for name, entry in header.items():
        dtype, shape, begin, end = header_entry(path, name, entry)
        if end > len(mapping) - start:
            raise WeightError(
                f"{path}: tensor {name!r} ends at byte {start + end}, the file has {len(mapping)}; the file is cut off "
                "or its header is damaged. Download it again"
            )
        values = np.frombuffer(mapping, DTYPES[dtype], (end - begin) // np.dtype(DTYPES[dtype]).itemsize, start + begin)
        tensors[name] = StoredTensor(dtype, _shaped(path, name, values, shape), path.name)
        ranges.append((begin, end, name))
    _check_tiling(path, ranges, len(mapping) - start)
    return tensors


def _header(path: Path, mapping: mmap.mmap) -> tuple[dict[str, Any], int]:
    """The header's entries, and the start of the values."""
    length = int.from_bytes(mapping[:_HEADER_LENGTH_BYTES], "little")
    start = _HEADER_LENGTH_BYTES + length
    if len(mapping) < _HEADER_LENGTH_BYTES or start > len(mapping) or length > LARGEST_BYTES:
        raise WeightError(
            f"{path}: the header claims {length} bytes, the file has {len(mapping)}; not a safetensors file, "
            "or cut off. Download it again"
        )
    header = parse_object(mapping[_HEADER_LENGTH_BYTES:start], where=f"{path} (header)", error=WeightError)
    header.pop("__metadata__", None)
    return header, start


def header_entry(path: Path, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """One header entry, checked by itself: type, shape, first and last byte."""
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise WeightError(f"{path}: the header's entry {name!r} is incomplete; expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise WeightError(f"{path}: tensor {name!r} has dtype {dtype!r}; expected one of {', '.join(DTYPES)}")
    numbers = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [None]
    if not all(type(number) is int and number >= 0 for number in numbers) or len(offsets) != 2:
        raise WeightError(f"{path}: tensor {name!r} has shape {shape}, offsets {offsets}; expected natural numbers")
    begin, end = offsets
    n_bytes = np.dtype(DTYPES[dtype]).itemsize
    for size in shape:
        n_bytes *= size
    if n_bytes != end - begin:
        raise WeightError(
            f"{path}: tensor {name!r} of {dtype} {shape} needs {n_bytes} bytes, its offsets give {end - begin}"
        )
    return dtype, tuple(shape), begin, end


def _shaped(path: Path, name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError) as cause:  # too many dimensions, or an empty tensor with a huge one
        raise WeightError(f"{path}: tensor {name!r} has shape {shape}, which no array can have") from cause


def _check_tiling(path: Path, ranges: list[tuple[int, int, str]], n_bytes: int) -> None:
    """Check that there is no overlap, no gap, and nothing after the last tensor, as the format requires."""
    position = 0
    for begin, end, name in sorted(ranges):
        if begin != position:
            what = "overlaps the one before it" if begin < position else f"leaves a hole of {begin - position} bytes"
            raise WeightError(
                f"{path}: tensor {name!r} begins at byte {begin} of the data and {what}. Download the file again"
            )
        position = end
    if position != n_bytes:
        raise WeightError(
            f"{path}: {n_bytes - position} bytes behind the last tensor; expected none. Download the file again"
        )


def weight_files(folder: Path) -> list[str]:
    """The names of the files of a folder's weights: one, or an index and its shards; empty without weights.

    Raises:
        WeightError: If the index cannot be read.
    """
    name = weight_file(folder)
    if name is None:
        return []
    return sorted({name} | (set(_weight_map(folder / name).values()) if name.endswith(".json") else set()))


def weight_checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a folder's weights, by name; empty without weights."""
    return {name: sha256_of(folder / name) for name in weight_files(folder)}

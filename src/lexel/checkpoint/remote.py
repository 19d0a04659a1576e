"""The tensors of a hub model by name, type and shape: the headers of its safetensors, read without a download."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from lexel.checkpoint.files import SAFETENSORS_FILES, is_read
from lexel.checkpoint.hub import Listing, read_range
from lexel.checkpoint.weights import header_entry, read_tensors, weight_file
from lexel.errors import WeightError
from lexel.jsonfile import LARGEST_BYTES, parse_object

_LENGTH_BYTES = 8
_FIRST_BYTES = 128 << 10
"""How much of a file is asked for at once; most headers end in it."""


@dataclass(frozen=True, slots=True)
class TensorShape:
    """What a header says of a tensor: its type as safetensors calls it, its shape, and its bytes in the file."""

    dtype: str
    shape: tuple[int, ...]
    n_bytes: int

    @property
    def n_numbers(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


def remote_tensors(repo_id: str, listing: Listing) -> dict[str, TensorShape] | None:
    """The tensors of a hub model; ``None`` if it has no safetensors, whose headers alone can be read from afar.

    Raises:
        CheckpointError: If the hub cannot be asked.
        WeightError: If a header is damaged.
    """
    names = [name for name in listing.files if is_read(name, SAFETENSORS_FILES) and name.endswith(".safetensors")]
    found: dict[str, TensorShape] = {}
    for name in sorted(names):
        found |= _header(repo_id, listing, name)
    return found or None


def _header(repo_id: str, listing: Listing, name: str) -> dict[str, TensorShape]:
    where, size = f"{repo_id}: {name}", listing.files[name].size
    if size < _LENGTH_BYTES:
        raise WeightError(f"{where}: has {size} bytes; expected a safetensors file")
    data = read_range(repo_id, listing.commit, name, start=0, n_bytes=min(size, _FIRST_BYTES))
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    if end > size or end > LARGEST_BYTES:
        raise WeightError(
            f"{where}: the header claims {end - _LENGTH_BYTES:,} bytes, the file has {size:,}; not a safetensors file"
        )
    if end > len(data):
        data += read_range(repo_id, listing.commit, name, start=len(data), n_bytes=end - len(data))
    header = parse_object(data[_LENGTH_BYTES:end], where=f"{where} (header)", error=WeightError)
    header.pop("__metadata__", None)
    entries = {tensor: header_entry(Path(where), tensor, entry) for tensor, entry in header.items()}
    return {tensor: TensorShape(dtype, shape, last - first) for tensor, (dtype, shape, first, last) in entries.items()}


def local_tensors(folder: Path) -> dict[str, TensorShape] | None:
    """The tensors of a folder's weights, which are mapped and not read; ``None`` without weights.

    Raises:
        WeightError: If a file is damaged.
    """
    file = weight_file(folder)
    if file is None:
        return None
    tensors = read_tensors(folder, file)
    return {name: TensorShape(tensor.dtype, tensor.shape, tensor.values.nbytes) for name, tensor in tensors.items()}

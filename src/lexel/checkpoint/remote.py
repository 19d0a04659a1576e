"""Reads name, type and shape of a hub model's tensors without downloading their values.

For safetensors, it reads the header; for ``pytorch_model.bin``, the end of the archive, which lists its entries, and
the program that describes the tensors.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lexel.checkpoint.files import BIN_FILES, SAFETENSORS_FILES, is_read
from lexel.checkpoint.hub import Listing, read_range
from lexel.checkpoint.pickles import LARGEST_PROGRAM, shapes_of_program
from lexel.checkpoint.tensors import DTYPES
from lexel.checkpoint.weights import header_entry, read_tensors, weight_file
from lexel.errors import WeightError
from lexel.jsonfile import LARGEST_BYTES, parse_object

_LENGTH_BYTES = 8
_BLOCK_BYTES = 64 << 10
_FIRST_BYTES = 128 << 10
"""Number of bytes to request at once; most headers are shorter."""


@dataclass(frozen=True, slots=True)
class TensorShape:
    """A tensor in a header: its type by safetensors' name, its shape, and its bytes in the file."""

    dtype: str
    shape: tuple[int, ...]
    n_bytes: int

    @property
    def n_numbers(self) -> int:
        """Number of its values."""
        return prod(self.shape)


def remote_tensors(repo_id: str, listing: Listing) -> dict[str, TensorShape] | None:
    """The tensors of a hub model; ``None`` if it has no weights, or they are in torch's format from before 1.6.

    Raises:
        CheckpointError: If the hub cannot be reached.
        WeightError: If a header is damaged.
    """
    found: dict[str, TensorShape] = {}
    safe = [name for name in listing.files if is_read(name, SAFETENSORS_FILES) and name.endswith(".safetensors")]
    for name in sorted(safe):
        found |= _header(repo_id, listing, name)
    others = [] if safe else [name for name in listing.files if is_read(name, BIN_FILES) and name.endswith(".bin")]
    for name in sorted(others):
        found |= _program(repo_id, listing, name)
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


def _program(repo_id: str, listing: Listing, name: str) -> dict[str, TensorShape]:
    """The tensors of a ``pytorch_model.bin``; empty for torch's old format, which is not an archive."""
    where = Path(f"{repo_id}: {name}")
    file = io.BufferedReader(_RemoteFile(repo_id, listing, name), _BLOCK_BYTES)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.rpartition("/")[2] == "data.pkl"]
            if len(entries) != 1 or entries[0].file_size > LARGEST_PROGRAM or entries[0].compress_type:
                raise WeightError(f"{where}: {len(entries)} programs; expected one as torch.save writes it")
            program = archive.read(entries[0])
    except zipfile.BadZipFile:
        return {}
    found = shapes_of_program(program, where=where)
    return {
        tensor: TensorShape(dtype, shape, prod(shape) * np.dtype(DTYPES[dtype]).itemsize)
        for tensor, (dtype, shape) in found.items()
    }


class _RemoteFile(io.RawIOBase):
    """A file of a repository; only the parts that are read are fetched."""

    def __init__(self, repo_id: str, listing: Listing, name: str) -> None:
        super().__init__()
        self._repo_id, self._commit, self._name = repo_id, listing.commit, name
        self._size, self._at, self._fetched = listing.files[name].size, 0, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fetch the next bytes.

        Raises:
            WeightError: If this is more than the description of a model can need.
        """
        n_bytes = min(len(buffer), self._size - self._at)
        if n_bytes <= 0:
            return 0
        self._fetched += n_bytes
        if self._fetched > LARGEST_BYTES:
            raise WeightError(f"{self._repo_id}: {self._name}: its list of entries is too long; expected a model's")
        data = read_range(self._repo_id, self._commit, self._name, start=self._at, n_bytes=n_bytes)
        buffer[:n_bytes] = data
        self._at += n_bytes
        return n_bytes


def local_tensors(folder: Path) -> dict[str, TensorShape] | None:
    """The tensors of a folder's weights, mapped but not read; ``None`` without weights.

    Raises:
        WeightError: If a file is damaged.
    """
    file = weight_file(folder)
    if file is None:
        return None
    tensors = read_tensors(folder, file)
    return {name: TensorShape(tensor.dtype, tensor.shape, tensor.values.nbytes) for name, tensor in tensors.items()}

"""Tensors in a file: mapped, not read.

A file is mapped privately and writeable (copy-on-write): changes of an array never reach the file, and engines that
only share memory with writeable arrays (OpenVINO) can use the file's pages as their constants. Each array keeps the
mapping alive through its base, so nothing needs to be closed.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.disk import open_regular, refused
from lexel.errors import WeightError

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
"""numpy's element types by safetensors' names; numpy has no bfloat16, so it is read as integers."""

_SPELLED = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file.

    Attributes:
        dtype: Element type, a key of ``DTYPES``.
        values: A view of the file's mapping in the tensor's shape, not always contiguous or aligned.
        file: Name of the file, for messages.
        scale: For a matrix stored in eight bits, the factor of each row, ``[rows, 1]``; ``None`` for others.
    """

    dtype: str
    values: NDArray[Any]
    file: str
    scale: NDArray[Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def float_name(self) -> str | None:
        """``float32`` and so on, ``int8`` with a scale; ``None`` if the elements are not floating-point numbers."""
        return _SPELLED.get(self.dtype) if self.scale is None else "int8"

    def read(self) -> NDArray[Any]:
        """The tensor as a contiguous, aligned, writeable array: the view itself if possible, else a copy.

        bfloat16 is widened to float32, which is exact; rows in eight bits are scaled.
        """
        if self.scale is not None:
            scaled: NDArray[Any] = np.multiply(self.values, self.scale, dtype=np.float32)
            return scaled
        if self.dtype == "BF16":
            return (self.values.astype("<u4", order="C") << np.uint32(16)).view("<f4")
        return np.require(self.values, requirements=["C", "A", "W"])

    @property
    def mapping(self) -> mmap.mmap | None:
        """The mapping that holds the values, if there is one."""
        base: Any = self.values
        while isinstance(base, np.ndarray):
            base = base.base
        base = base.obj if isinstance(base, memoryview) else base
        return base if isinstance(base, mmap.mmap) else None


def map_file(path: Path) -> mmap.mmap:
    """Map a weight file privately and writeable.

    Raises:
        WeightError: If the file cannot be opened, is empty, or is a Git LFS pointer instead of the weights.
    """
    try:
        with open_regular(path) as file:
            if not os.fstat(file.fileno()).st_size:
                raise WeightError(f"{path}: the file is empty; expected weights. Download it again")
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as cause:
        raise WeightError(f"{path}: {refused(cause, doing='read')}; expected a weight file") from cause
    if mapping[: len(_LFS_POINTER)] == _LFS_POINTER:
        raise WeightError(f"{path}: is a Git LFS pointer; expected the weights themselves. Run: git lfs pull")
    return mapping

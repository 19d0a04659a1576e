"""Devices of PyTorch: choice, copies to and from them, and errors when memory is too small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lexel.encoder.family import ModelConfig
from lexel.engines.base import BATCH_PIECES, IntArray
from lexel.errors import EngineError

GPU_BATCH_PIECES = 65_536
"""Default maximum number of slots for a GPU at once: about 30 ms of BERT-base on an H200."""

_SHARE_OF_MEMORY = 0.25
"""A load's share of a GPU's memory; the rest is for weights, other loads, and other processes."""


# Which there are -----------------------------------------------------------------------------------------------------


def torch_device(asked: str | None) -> str:
    """The requested device, or several; by default CUDA if PyTorch has it, else ``cpu``.

    Raises:
        EngineError: If PyTorch does not see one of them.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked is None:
        return "cuda" if n_gpus else "cpu"
    for name in asked.split(","):
        if name.startswith("cuda") and int(name.partition(":")[2] or 0) >= n_gpus:
            raise EngineError(f"torch: device {name!r} asked for, but PyTorch sees {_gpus(n_gpus)}")
    return asked


def resolved_device(name: str) -> torch.device:
    """The device with a name; ``cuda`` becomes the current GPU's number, since other threads may have another one."""
    device = torch.device(name)
    is_current = device.type == "cuda" and device.index is None
    return torch.device("cuda", torch.cuda.current_device()) if is_current else device


def _gpus(n_gpus: int) -> str:
    if n_gpus:
        return f"{n_gpus} GPU{'s' * (n_gpus > 1)} (cuda:0{f' to cuda:{n_gpus - 1}' * (n_gpus > 1)})"
    build = "" if torch.version.cuda or torch.version.hip else f" (torch {torch.__version__} is built without CUDA)"
    return f"no GPU{build}; use device cpu"


def gpu_precision(device: str) -> str:
    """``bf16`` if all GPUs support it natively (compute capability 8.0), else ``float32``."""
    capabilities = [torch.cuda.get_device_capability(name)[0] for name in device.split(",")]
    return "bf16" if min(capabilities) >= 8 else "float32"


def name_of(device: torch.device) -> str:
    """The device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def default_batch_pieces(device: torch.device, config: ModelConfig) -> int:
    """Number of slots in a batch that keeps the device busy and fits into its memory."""
    if device.type != "cuda":
        return BATCH_PIECES
    return fitting_slots(config, memory_bytes=torch.cuda.get_device_properties(device).total_memory)


def fitting_slots(config: ModelConfig, *, memory_bytes: int) -> int:
    """The largest power of two of slots, at most ``GPU_BATCH_PIECES``, that takes up to a quarter of a GPU's memory.

    A slot takes the hidden states of all layers, and the temporary memory of one layer, in float32.
    """
    slot_bytes = 4 * (config.hidden_size * (config.n_layers + 9) + config.intermediate_size)
    slots = int(memory_bytes * _SHARE_OF_MEMORY) // slot_bytes
    return max(BATCH_PIECES, min(GPU_BATCH_PIECES, 1 << max(slots, 1).bit_length() - 1))


# What goes to them and comes back ------------------------------------------------------------------------------------


class Arrival(Protocol):
    """Results that are being copied to the host."""

    def wait(self) -> list[NDArray[Any]]:
        """Wait for the results, and return them."""
        ...


class Courier(Protocol):
    """Copies arrays to a device and results back."""

    def send(self, arrays: Sequence[IntArray]) -> list[torch.Tensor]:
        """The arrays as tensors on the device."""
        ...

    def fetch(self, results: Sequence[torch.Tensor]) -> Arrival:
        """Start to copy results back."""
        ...


class Arrived:
    """Results that are already on the host."""

    def __init__(self, results: Sequence[torch.Tensor]) -> None:
        self._results = results

    def wait(self) -> list[NDArray[Any]]:
        """See ``Arrival.wait``."""
        return [np.asarray(result.numpy()) for result in self._results]


class HostCourier:
    """For the CPU: nothing is copied, and results are available at once."""

    def send(self, arrays: Sequence[IntArray]) -> list[torch.Tensor]:
        """See ``Courier.send``."""
        return [torch.from_numpy(array) for array in arrays]

    def fetch(self, results: Sequence[torch.Tensor]) -> Arrival:
        """See ``Courier.fetch``."""
        return Arrived(results)


class CudaArrival:
    """Results that are being copied into pinned memory; each has its own memory, so later ones do not overwrite it."""

    def __init__(self, copies: Sequence[torch.Tensor], done: torch.cuda.Event) -> None:
        self._copies = copies
        self._done = done

    def wait(self) -> list[NDArray[Any]]:
        """See ``Arrival.wait``; other threads run meanwhile."""
        self._done.synchronize()
        return [np.asarray(copy.numpy()) for copy in self._copies]


class CudaCourier:
    """Copies between pinned memory and a GPU on separate streams, while other loads are computed.

    PyTorch's allocator of pinned memory reuses a block only when the copies that use it are done, so the buffers of
    loads in progress are never overwritten.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._there = torch.cuda.Stream(device)
        self._back = torch.cuda.Stream(device)

    def send(self, arrays: Sequence[IntArray]) -> list[torch.Tensor]:
        """See ``Courier.send``; all arrays in one copy."""
        pinned = torch.from_numpy(np.concatenate([array.reshape(-1) for array in arrays])).pin_memory()
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._there):
            moved = pinned.to(self._device, non_blocking=True)
        computing.wait_stream(self._there)
        moved.record_stream(computing)
        parts = moved.split([array.size for array in arrays])
        return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]

    def fetch(self, results: Sequence[torch.Tensor]) -> Arrival:
        """See ``Courier.fetch``."""
        self._back.wait_stream(torch.cuda.current_stream(self._device))
        copies = []
        with torch.cuda.stream(self._back):
            for result in results:
                copy = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
                copies.append(copy.copy_(result, non_blocking=True))
                result.record_stream(self._back)
            done = self._back.record_event(torch.cuda.Event(blocking=True))  # waiting does not use a core
        return CudaArrival(copies, done)


def courier_to(device: torch.device) -> Courier:
    """The courier for a device."""
    return CudaCourier(device) if device.type == "cuda" else HostCourier()


# When they are too small ---------------------------------------------------------------------------------------------


@contextmanager
def memory_for(what: str, device: torch.device, *, advice: str) -> Iterator[None]:
    """Turn a lack of GPU memory into an error with the free memory and advice.

    Raises:
        EngineError: If PyTorch finds no memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        free, total = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device)
        raise EngineError(
            f"torch: {name_of(device)}: {what} does not fit: {free:,} of {total:,} bytes are free, and {reserved:,} "
            f"are held by this process; {advice}"
        ) from error

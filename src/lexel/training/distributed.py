"""Processes that train together: they share weights and gradients, and wait for each other.

On a CPU, two processes of one thread are faster than one process of two threads, because the threads synchronise
hundreds of times a step. Processes on one machine's CPU share memory: each process writes its gradients where the
others read them, updates its share of the weights, and waits for the others three times a step. Otherwise one
all-reduce sums the gradients, and each process updates all weights.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import torch
import torch.distributed as dist
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from lexel.errors import EngineError

_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""Messages of gloo and NCCL when a process that they wait for has ended."""


class ProcessGroup:
    """This process among the processes of a run.

    Attributes:
        rank: The number of this process, from 0.
        size: The number of processes.
        device: The device that this process computes on.
        shares_memory: Whether all processes can map the same memory.
    """

    def __init__(self, state: PartialState) -> None:
        self.rank: int = state.process_index
        self.size: int = state.num_processes
        self.device: torch.device = state.device
        local = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        self.shares_memory = self.size > 1 and self.device.type == "cpu" and local == self.size
        self._state = state

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    @property
    def writes_shared(self) -> bool:
        """Whether this process fills buffers made by ``zeros``: the main process if memory is shared, else each."""
        return self.is_main or not self.shares_memory

    @contextmanager
    def together(self) -> Iterator[None]:
        """Distinguish the end of another process from an error of this one.

        Raises:
            EngineError: If a process that this one waits for has ended; its own message says why.
        """
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not any(words in str(error) for words in _LOST):
                raise
            raise EngineError(
                f"process {self.rank}: another process of this run has ended; its message says why"
            ) from error

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sum values over all processes; every process must call it."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        summed: list[float] = tensor.tolist()
        return summed

    def barrier(self) -> None:
        """Wait until every process has reached this point."""
        if self.size > 1:
            self._state.wait_for_everyone()

    def broadcast(self, text: str) -> str:
        """Give every process the main process's text."""
        if self.size == 1:
            return text
        box = [text]
        broadcast_object_list(box, from_process=0)
        return box[0]

    def zeros(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Make a tensor of zeros, in memory that all processes see if they share memory."""
        if not self.shares_memory:
            return torch.zeros(shape, dtype=dtype, device=self.device)
        n = math.prod(shape)
        folder = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()
        path = Path(self.broadcast(os.path.join(folder, f"lexel-{token_hex(8)}")))
        if self.is_main:
            with path.open("wb") as file:
                file.truncate(n * dtype.itemsize)
        self.barrier()
        tensor = torch.from_file(str(path), shared=True, size=n, dtype=dtype).view(shape)
        self.barrier()
        if self.is_main:
            path.unlink()
        return tensor

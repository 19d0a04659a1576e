"""Processes that train together: how they share weights and gradients, and where they meet.

Two processes of one thread are faster than one of two, whose threads wait for each other hundreds of times a step. On
one machine's processor they share memory: each writes its gradients where the others read them, takes the step for its
share of the weights, and all meet three times a step. Elsewhere gradients are summed by one all-reduce, and each
process takes the whole step.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

import torch
import torch.distributed as dist
from accelerate import PartialState
from accelerate.utils import broadcast_object_list


class Team:
    """This process among those that train together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        device: What it computes on.
        shares_memory: Whether all processes can map one file's memory.
    """

    def __init__(self, state: PartialState) -> None:
        self.rank: int = state.process_index
        self.size: int = state.num_processes
        self.device: torch.device = state.device
        local = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        self.shares_memory = self.size > 1 and self.device.type == "cpu" and local == self.size
        self._state = state

    @property
    def is_first(self) -> bool:
        """Does this process write files and speak?"""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes; they meet here."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        summed: list[float] = tensor.tolist()
        return summed

    def meet(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            self._state.wait_for_everyone()

    def agree(self, text: str) -> str:
        """The first process's text, for all."""
        if self.size == 1:
            return text
        box = [text]
        broadcast_object_list(box, from_process=0)
        return box[0]

    def buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Zeros, in memory that all processes see if they share memory."""
        if not self.shares_memory:
            return torch.zeros(shape, dtype=dtype, device=self.device)
        n = math.prod(shape)
        folder = "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()
        path = Path(self.agree(os.path.join(folder, f"lexel-{token_hex(8)}")))
        if self.is_first:
            with path.open("wb") as file:
                file.truncate(n * dtype.itemsize)
        self.meet()
        tensor = torch.from_file(str(path), shared=True, size=n, dtype=dtype).view(shape)
        self.meet()
        if self.is_first:
            path.unlink()
        return tensor

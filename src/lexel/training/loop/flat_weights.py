"""All trained weights in one buffer: float32 masters, working copies and gradients.

In 16 bits the model's parameters are views of one buffer and their gradients views of another, which autograd fills in
place; the optimizer updates the float32 masters. In float32 the parameters are the masters. The order of the weights
makes matrices of one shape contiguous (for Muon), and keeps a layer's query, key and value together, so that they are
computed in one product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from lexel.training.distributed import ProcessGroup

_QKV = (("query", "key", "value"), ("q_lin", "k_lin", "v_lin"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A parameter's place.

    Attributes:
        name: Its name in the model.
        start: Its first number in the buffer.
        shape: Its shape.
    """

    name: str
    start: int
    shape: torch.Size

    @property
    def end(self) -> int:
        """One past its last number."""
        return self.start + int(math.prod(self.shape))


class FlatWeights:
    """A model's trained weights as flat buffers; the model's parameters are views of them.

    Args:
        model: Any module; parameters that need no gradient stay where they are, in ``dtype``.
        order: The sort key of parameters, from their names and tensors.
        dtype: The number type to compute in.
        process_group: The processes that share the buffers.

    Attributes:
        entries: The parameters in order.
        master: The weights in float32, ``[weights]``.
        work: The weights that the model computes with, ``[weights]``; the masters themselves in float32.
        grad: The gradients of this process, ``[weights]``.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        order: Callable[[str, torch.Tensor], object],
        dtype: torch.dtype,
        process_group: ProcessGroup,
    ) -> None:
        trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        trained.sort(key=lambda item: order(*item))  # type: ignore[arg-type, return-value]
        self.entries: list[Entry] = []
        at = 0
        for name, parameter in trained:
            self.entries.append(Entry(name, at, parameter.shape))
            at += parameter.numel()
        self.size = at
        self.master = process_group.zeros((at,), torch.float32)
        if process_group.writes_shared:
            for entry, (_, parameter) in zip(self.entries, trained, strict=True):
                self.master[entry.start : entry.end].copy_(parameter.detach().view(-1))
        process_group.barrier()
        self._frozen = {name: p.data for name, p in model.named_parameters() if not p.requires_grad}
        for name, kept in self._frozen.items():
            model.get_parameter(name).data = kept.to(process_group.device, dtype)
        for buffer in model.buffers():
            buffer.data = buffer.data.to(process_group.device)
        self.work = self.master if dtype == torch.float32 else process_group.zeros((at,), dtype)
        self.grad = torch.zeros(at, dtype=dtype, device=process_group.device)
        self._bind([parameter for _, parameter in trained])
        if process_group.writes_shared:
            self.refresh(slice(0, at))
        process_group.barrier()
        self._fused = _fuse(model, self)
        self._model = model

    def _bind(self, parameters: Sequence[nn.Parameter]) -> None:
        for entry, parameter in zip(self.entries, parameters, strict=True):
            parameter.data = self.work[entry.start : entry.end].view(entry.shape)
            parameter.grad = self.grad[entry.start : entry.end].view(entry.shape)

    def refresh(self, part: slice) -> None:
        """Copy a part of the masters to the working weights."""
        if self.work is not self.master:
            with torch.no_grad():
                self.work[part].copy_(self.master[part])

    def named(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of a buffer in this order, by parameter."""
        return {entry.name: flat[entry.start : entry.end].view(entry.shape) for entry in self.entries}

    def place(self, name: str) -> Entry | None:
        """Where a parameter is."""
        return self._places.get(name)

    def release(self, weights: torch.Tensor) -> None:
        """Detach the model from the buffers, with float32 weights of this order."""
        for module in self._model.modules():
            if isinstance(module, nn.Linear):
                module.__dict__.pop("forward", None)
        with torch.no_grad():
            for name, view in self.named(weights).items():
                parameter = self._model.get_parameter(name)
                parameter.grad, parameter.data = None, view.detach().to("cpu", torch.float32, copy=True)
            for name, kept in self._frozen.items():
                self._model.get_parameter(name).data = kept.to("cpu", torch.float32)
        self._model.to("cpu")

    @property
    def _places(self) -> Mapping[str, Entry]:
        return {entry.name: entry for entry in self.entries}


def _fuse(model: nn.Module, flat: FlatWeights) -> list[torch.Tensor]:
    """Make query, key and value one product if they are contiguous; returns the leaves that hold them."""
    places, leaves = flat._places, []
    for prefix, module in model.named_modules():
        for names in _QKV:
            parts = [getattr(module, name, None) for name in names]
            if not all(type(part) is nn.Linear for part in parts):
                continue
            weights = [places.get(f"{prefix}.{name}.weight") for name in names]
            biases = [places.get(f"{prefix}.{name}.bias") for name in names]
            if _side_by_side(weights) and _side_by_side(biases):
                leaves += _one_product(flat, parts, weights, biases)  # type: ignore[arg-type]
    return leaves


def _side_by_side(entries: Sequence[Entry | None]) -> bool:
    known = [entry for entry in entries if entry is not None]
    return len(known) == len(entries) and all(a.end == b.start for a, b in pairwise(known))


def _one_product(
    flat: FlatWeights, parts: Sequence[nn.Linear], weights: Sequence[Entry], biases: Sequence[Entry]
) -> list[torch.Tensor]:
    size = weights[0].shape[1]

    def leaf(entries: Sequence[Entry], shape: tuple[int, ...]) -> torch.Tensor:
        place = slice(entries[0].start, entries[-1].end)
        tensor = flat.work[place].view(shape).requires_grad_()
        tensor.grad = flat.grad[place].view(shape)
        return tensor

    weight, bias = leaf(weights, (-1, size)), leaf(biases, (-1,))
    widths = [part.out_features for part in parts]
    waiting: list[torch.Tensor] = []

    def first(states: torch.Tensor) -> torch.Tensor:
        query, *others = nn.functional.linear(states, weight, bias).split(widths, -1)
        waiting[:] = others
        return query

    parts[0].forward = first
    for part in parts[1:]:
        part.forward = lambda states: waiting.pop(0)
    return [weight, bias]

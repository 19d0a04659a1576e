"""The optimizer: AdamW or Muon on flat weights; each process updates its share.

Muon (https://kellerjordan.github.io/posts/muon/) orthogonalises the momentum of the layers' matrices by five
Newton-Schulz steps in bf16. Its update is scaled to about the length of AdamW's (https://arxiv.org/abs/2502.16982), so
both use one learning rate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import nn
from transformers import get_scheduler

from lexel.training.config.options import TrainingOptions
from lexel.training.distributed import ProcessGroup
from lexel.training.loop.flat_weights import Entry, FlatWeights

_NORM = re.compile(r"norm|LayerNorm", re.IGNORECASE)
_MUON_MOMENTUM = 0.95
_MUON_SCALE = 0.2
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a parameter is updated; parameters of one kind are contiguous.

    Attributes:
        is_matrix: Whether Muon updates it.
        decays: Whether it has weight decay.
        depth: 0 for embeddings, then the layers from 1, then the heads.
    """

    is_matrix: bool
    decays: bool
    depth: int


class Kinds:
    """The kind of each parameter of a model, by its name and shape.

    Args:
        options: The options of the run.
        n_layers: Layers of the encoder.
        layers: Finds the number of the layer in the name of a parameter.
    """

    def __init__(self, options: TrainingOptions, *, n_layers: int, layers: re.Pattern[str]) -> None:
        self._layers = layers
        self._muon = options.optim == "muon"
        self._decay = options.layer_decay
        self.n_layers = n_layers

    def __call__(self, name: str, shape: torch.Size) -> Kind:
        match = self._layers.search(name) if name.startswith("encoder.") else None
        outside = 0 if name.startswith("encoder.") else self.n_layers + 1
        depth = int(match[1]) + 1 if match else outside
        decays = len(shape) > 1 and not name.endswith(".bias")
        return Kind(self._muon and decays and match is not None, decays, depth if self._decay != 1 else 0)

    def order(self, name: str, parameter: torch.Tensor) -> tuple[Any, ...]:
        """The sort key of a parameter."""
        kind = self(name, parameter.shape)
        return not kind.is_matrix, not kind.decays, kind.depth, tuple(parameter.shape) if kind.is_matrix else ()

    def rate(self, kind: Kind) -> float:
        """Factor on the learning rate."""
        return float(self._decay ** (self.n_layers + 1 - kind.depth)) if self._decay != 1 else 1.0


@dataclass(frozen=True, slots=True)
class _Stack:
    """Matrices of one shape that this process updates."""

    place: slice
    shape: tuple[int, int, int]
    rate: float


class Optimizer:
    """Updates the weights.

    Args:
        flat: The weights.
        kinds: The kind of each parameter.
        options: The options of the run.
        process_group: The processes that share the work.

    Attributes:
        momentum: Muon's momentum, ``[weights]``; only the parts of stacks are used.
        average: The moving average of the weights, ``[weights]``, if one is kept.
        n_averaged: Steps that the average has seen.
    """

    def __init__(
        self, flat: FlatWeights, kinds: Kinds, options: TrainingOptions, *, process_group: ProcessGroup
    ) -> None:
        self._flat, self._kinds, self._options, self._process_group = flat, kinds, options, process_group
        share = (process_group.rank, process_group.size) if process_group.shares_memory else (0, 1)
        self._grads = (
            process_group.zeros((process_group.size, flat.size), flat.grad.dtype)
            if process_group.shares_memory
            else None
        )
        sums_in_place = flat.grad.dtype == torch.float32 and self._grads is None
        self._grad = flat.grad if sums_in_place else torch.zeros(flat.size, device=process_group.device)
        self._stacks = list(self._own_stacks(*share))
        self._groups = list(self._own_ranges(*share))
        n_matrices = max([stack.place.stop for stack in self._stacks] or [0])
        self.momentum = torch.zeros(n_matrices, device=process_group.device)
        self._places = [stack.place for stack in self._stacks] + [place for place, _ in self._groups]
        self.adamw = self._adamw()
        self.n_averaged = 0
        self.average = None if options.ema_decay is None else process_group.zeros((flat.size,), torch.float32)
        if self.average is not None:
            for place in self._places:
                self.average[place].copy_(flat.master[place])
            process_group.barrier()

    def _by_kind(self) -> Iterable[tuple[Kind, list[Entry]]]:
        entries = self._flat.entries
        return ((kind, list(group)) for kind, group in groupby(entries, lambda e: self._kinds(e.name, e.shape)))

    def _own_stacks(self, rank: int, size: int) -> Iterable[_Stack]:
        for kind, entries in self._by_kind():
            if not kind.is_matrix:
                continue
            for shape, group in groupby(entries, lambda e: tuple(e.shape)):
                members = list(group)
                first, last = len(members) * rank // size, len(members) * (rank + 1) // size
                if last > first:
                    place = slice(members[first].start, members[last - 1].end)
                    yield _Stack(place, (last - first, *shape), self._kinds.rate(kind))

    def _own_ranges(self, rank: int, size: int) -> Iterable[tuple[slice, Kind]]:
        """This process's equal share of AdamW's weights."""
        ranges = [(g[0].start, g[-1].end, kind) for kind, g in self._by_kind() if not kind.is_matrix]
        total = sum(end - start for start, end, _ in ranges)
        low, high, before = total * rank // size, total * (rank + 1) // size, 0
        for start, end, kind in ranges:
            a, b = max(start, start + low - before), min(end, start + high - before)
            if a < b:
                yield slice(a, b), kind
            before += end - start

    def _adamw(self) -> torch.optim.Optimizer | None:
        options, groups = self._options, []
        for place, kind in self._groups:
            part = nn.Parameter(self._flat.master[place])
            part.grad = self._grad[place]
            decay = options.weight_decay if kind.decays else 0.0
            groups.append({"params": [part], "weight_decay": decay, "lr": 0.0, "scale": self._kinds.rate(kind)})
        if not groups:
            return None
        betas = (options.adam_beta1, options.adam_beta2)
        return torch.optim.AdamW(groups, betas=betas, eps=options.adam_epsilon, fused=True)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, rate: float, *, scale: float = 1.0) -> float:
        """Take one step with the sum of all processes' gradients, clear them, and return their norm.

        Nothing is changed if the norm is not finite. All processes must have synchronised since ``publish_gradients``.

        Args:
            rate: The learning rate.
            scale: The factor of the gradients (loss scaling).
        """
        grad = self._gather()
        if scale != 1:
            for place in self._places:
                grad[place].div_(scale)
        squared = sum(float(grad[place].square().sum()) for place in self._places)
        if self._process_group.shares_memory:
            (squared,) = self._process_group.sum([squared])
        norm = math.sqrt(squared)
        most = self._options.max_grad_norm
        if not math.isfinite(norm):
            self._flat.grad.zero_()
            return norm
        if most and norm > most:
            for place in self._places:
                grad[place].mul_(most / (norm + 1e-6))
        self._take(grad, rate)
        self._flat.grad.zero_()
        return norm

    def publish_gradients(self) -> None:
        """Publish this process's gradients to the others, before they synchronise."""
        if self._grads is not None:
            self._grads[self._process_group.rank].copy_(self._flat.grad)
        elif self._process_group.size > 1:
            torch.distributed.all_reduce(self._flat.grad)

    def _gather(self) -> torch.Tensor:
        grad = self._grad
        for place in self._places:
            if self._grads is not None:
                grad[place] = self._grads[0, place]
                for other in self._grads[1:]:
                    grad[place] += other[place]
            elif grad is not self._flat.grad:
                grad[place] = self._flat.grad[place]
        return grad

    def _take(self, grad: torch.Tensor, rate: float) -> None:
        if self.adamw is not None:
            for group in self.adamw.param_groups:
                group["lr"] = rate * group["scale"]
            self.adamw.step()
        for stack in self._stacks:
            self._muon(stack, grad, rate * stack.rate)
        if self.average is not None:
            self._follow(self.average)
        for place in self._places:
            self._flat.refresh(place)

    def _follow(self, average: torch.Tensor) -> None:
        """Update the moving average."""
        self.n_averaged += 1
        share = 1 - average_decay(self._options.ema_decay or 0.0, n_steps=self.n_averaged)
        for place in self._places:
            average[place].lerp_(self._flat.master[place], share)

    def _muon(self, stack: _Stack, grad: torch.Tensor, rate: float) -> None:
        momentum = self.momentum[stack.place].lerp_(grad[stack.place], 1 - _MUON_MOMENTUM)
        step = orthogonalise(torch.lerp(grad[stack.place], momentum, _MUON_MOMENTUM).view(stack.shape))
        matrices = self._flat.master[stack.place].view(stack.shape)
        length = _MUON_SCALE * math.sqrt(max(stack.shape[1:]))
        matrices.mul_(1 - rate * self._options.weight_decay).sub_(step, alpha=rate * length)

    def state(self) -> dict[str, Any]:
        """The state of this process, for a checkpoint."""
        return {
            "momentum": self.momentum,
            "n_averaged": self.n_averaged,
            "adamw": None if self.adamw is None else self.adamw.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.momentum.copy_(state["momentum"])
        self.n_averaged = state["n_averaged"]
        if self.adamw is not None:
            self.adamw.load_state_dict(state["adamw"])


def average_decay(decay: float, *, n_steps: int) -> float:
    """The decay of a moving average at a step, counted from 1: lower at first, so that the first weights are forgotten.

    With a constant decay, a run much shorter than ``1 / (1 - decay)`` steps would keep mostly its initial weights
    (https://www.tensorflow.org/api_docs/python/tf/train/ExponentialMovingAverage has the same limit).
    """
    return min(decay, (1 + n_steps) / (10 + n_steps))


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices whose singular values are about 1, ``[stack, rows, columns]``, by five Newton-Schulz steps in bf16."""
    a, b, c = _NEWTON_SCHULZ
    x = matrices.to(torch.bfloat16)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(1, 2) if tall else x).float()


def schedule(options: TrainingOptions, *, n_steps: int) -> Callable[[int], float]:
    """The learning rate's factor at a step, by transformers' schedules."""
    warmup = options.warmup_steps or math.ceil(options.warmup_ratio * n_steps)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(options.lr_scheduler_type, optimizer, num_warmup_steps=warmup, num_training_steps=n_steps)
    factor: Callable[[int], float] = scheduler.lr_lambdas[0]
    return factor

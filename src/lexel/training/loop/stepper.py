"""One step of training: gradients of this process's batches, then an update of the weights by all processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from lexel.training.config.options import TrainingOptions
from lexel.training.data.rows import Batch
from lexel.training.distributed import ProcessGroup
from lexel.training.loop.flat_weights import FlatWeights
from lexel.training.loop.optim import Kinds, Optimizer
from lexel.training.loop.precision import LossScaler
from lexel.training.model.model import MultiHead
from lexel.training.objective.losses import Losses


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step.

    Attributes:
        loss: The weighted sum of the losses.
        losses: Each loss by name.
        norm: The norm of the gradients, before clipping.
        is_skipped: Whether the weights did not change because float16 gradients overflowed.
    """

    loss: float
    losses: Mapping[str, float]
    norm: float
    is_skipped: bool

    @property
    def has_diverged(self) -> bool:
        """Whether the loss or the gradients are NaN or infinite."""
        return not (math.isfinite(self.loss) and (math.isfinite(self.norm) or self.is_skipped))


class Stepper:
    """Takes steps, and holds everything that a step changes.

    Args:
        model: The model.
        losses: Its losses.
        options: The options of the run.
        dtype: The number type to compute in.
        kinds: How each parameter is trained.
        process_group: The processes that share the work.

    Attributes:
        flat_weights: The trained weights.
    """

    def __init__(
        self,
        model: MultiHead,
        losses: Losses,
        options: TrainingOptions,
        *,
        dtype: torch.dtype,
        kinds: Kinds,
        process_group: ProcessGroup,
    ) -> None:
        self._model, self._losses, self._process_group = model, losses, process_group
        self.flat_weights = FlatWeights(model, order=kinds.order, dtype=dtype, process_group=process_group)
        self._optimizer = Optimizer(self.flat_weights, kinds, options, process_group=process_group)
        self._scaler = LossScaler() if dtype == torch.float16 else None

    def step(self, parts: Sequence[Batch | None], totals: Sequence[float], *, rate: float) -> StepResult:
        """Take one step.

        Args:
            parts: The batches of this process, ``None`` if an epoch's last step has no more.
            totals: By loss, the divisor of its mean, over all processes.
            rate: The learning rate.
        """
        scale = 1.0 if self._scaler is None else self._scaler.scale
        own = dict.fromkeys(self._losses.names, 0.0)
        for part in parts:
            if part is None:
                continue
            batch = part.to(self._process_group.device)
            losses = self._losses.of(self._model(batch), batch, totals)
            if losses:
                (self._losses.weighted(losses) * scale).backward()
            for name, loss in losses.items():
                own[name] += float(loss.detach())
        self._optimizer.publish_gradients()
        summed = dict(zip(own, self._process_group.sum(list(own.values())), strict=True))
        total = sum(self._losses.weights[name] * value for name, value in summed.items())
        if not math.isfinite(total):
            return StepResult(total, summed, math.nan, False)
        norm = self._optimizer.step(rate, scale=scale)
        is_skipped = self._scaler is not None and self._scaler.update(norm)
        self._process_group.barrier()
        return StepResult(total, summed, norm, is_skipped)

    @property
    def best_guess(self) -> torch.Tensor:
        """The weights to evaluate and save: the moving average if there is one, else the weights, ``[weights]``."""
        average = self._optimizer.average
        return self.flat_weights.master if average is None else average

    @contextmanager
    def with_average(self) -> Iterator[None]:
        """Let the model compute with the moving average, if there is one."""
        average, weights, group = self._optimizer.average, self.flat_weights, self._process_group
        if average is None:
            yield
            return
        kept = weights.master.clone() if weights.work is weights.master else None
        group.barrier()
        if group.writes_shared:
            weights.work.copy_(average)
        group.barrier()
        yield
        group.barrier()
        if group.writes_shared:
            weights.work.copy_(weights.master if kept is None else kept)
        group.barrier()

    def shared_state(self) -> dict[str, Any]:
        """The tensors of a checkpoint that are the same in all processes."""
        return {"master": self.flat_weights.master, "average": self._optimizer.average}

    def own_state(self) -> dict[str, Any]:
        """The state of this process in a checkpoint."""
        return {"optimizer": self._optimizer.state(), "scaler": None if self._scaler is None else asdict(self._scaler)}

    def load(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        if self._process_group.writes_shared:
            self.flat_weights.master.copy_(shared["master"])
            if self._optimizer.average is not None:
                self._optimizer.average.copy_(shared["average"])
            self.flat_weights.refresh(slice(0, self.flat_weights.size))
        self._optimizer.load(own["optimizer"])
        if self._scaler is not None:
            self._scaler = LossScaler(**own["scaler"])

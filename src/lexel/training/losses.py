"""Losses as sums over labelled positions divided by the whole step's count, so that parts of a step add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)

from lexel.tasks.gold import IGNORE
from lexel.training.heads import TrainedHead
from lexel.training.rows import Batch, Target

_LARGE = 1024
"""From this many outputs on, the cross entropy keeps to the scores' own type, in one buffer."""


class LargeCrossEntropy(torch.autograd.Function):  # type: ignore[misc]
    """Cross entropy over a vocabulary, in the scores' type and one buffer: a third of the time of the plain one."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, labels: torch.Tensor, total: float) -> torch.Tensor:
        """The sum over positions divided by ``total``; keeps the probabilities for the way back."""
        probs = torch.softmax(scores, -1)
        ctx.save_for_backward(probs, labels)
        ctx.total = total
        right = probs.gather(1, labels[:, None]).float()
        tiny = torch.finfo(torch.float32).tiny
        return -right.clamp_min(tiny).log().sum() / total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Probabilities minus one-hot labels, written over the probabilities."""
        probs, labels = ctx.saved_tensors
        probs[torch.arange(len(labels), device=labels.device), labels] -= 1
        return probs.mul_(grads[0] / ctx.total), None, None


def answer_loss(scores: torch.Tensor, places: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
    """Cross entropy of first and last pieces over the slots of their sequence; the sum over sequences of the mean.

    Args:
        scores: For each slot, of being the first and the last piece, ``[slots, 2]``.
        places: The right slots, ``[sequences, 2]``.
        segments: The sequence of each slot; the number of sequences where it is in none, ``[slots]``.
    """
    n = len(places)
    index = segments[:, None].expand(-1, 2)
    largest = scores.new_full((n + 1, 2), -torch.inf).scatter_reduce(0, index, scores.detach(), "amax")
    sums = scores.new_zeros(n + 1, 2).index_add(0, segments, (scores - largest[segments]).exp())
    right = scores.gather(0, places)
    return ((sums[:n].log() + largest[:n]) - right).mean(1).sum()


class Losses:
    """The losses of several heads.

    Args:
        heads: The heads.
        smoothing: Share of each label's probability that is spread over all.
        class_weights: By head, what each label counts for, ``[labels]``.
    """

    def __init__(
        self,
        heads: Sequence[TrainedHead],
        *,
        smoothing: float = 0.0,
        class_weights: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self._heads = list(heads)
        self._smoothing = smoothing
        self._weights = dict(class_weights or {})
        self._problems = {head.name: head.options.problem for head in heads}

    @property
    def names(self) -> list[str]:
        """The heads' names, in the order of ``totals``."""
        return [head.name for head in self._heads]

    def totals(self, batch: Batch | None) -> list[float]:
        """By head, what a batch's loss is a mean over: its labels, or their weights."""
        return [0.0 if batch is None else self._total(batch.targets[name], name) for name in self.names]

    def _total(self, target: Target, name: str) -> float:
        weights = self._weights.get(name)
        if weights is None or target.labels.is_floating_point() or target.segments is not None:
            return float(target.n)
        labels = target.labels[target.labels != IGNORE]
        return float(weights[labels].sum())

    def of(self, scores: Mapping[str, torch.Tensor], batch: Batch, totals: Sequence[float]) -> dict[str, torch.Tensor]:
        """By head, this batch's part of the mean loss over ``totals``; without the heads' own weights."""
        found = {}
        for name, total in zip(self.names, totals, strict=True):
            if total > 0 and batch.targets[name].n:
                found[name] = self._one(name, scores[name], batch.targets[name], total)
        return found

    def weighted(self, losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The sum of the heads' losses, each times its weight."""
        weights = {head.name: head.options.loss_weight for head in self._heads}
        return torch.stack([loss.float() * weights[name] for name, loss in losses.items()]).sum()

    def _one(self, name: str, scores: torch.Tensor, target: Target, total: float) -> torch.Tensor:
        labels = target.labels
        if target.segments is not None:
            return answer_loss(scores.float(), labels, target.segments) / total
        if self._problems.get(name) == "regression":
            return (scores.float() - labels).square().sum() / total
        if self._problems.get(name) == "multi":
            own = self._weights.get(name)
            summed = F.binary_cross_entropy_with_logits(scores.float(), labels, weight=own, reduction="sum")
            return summed / total
        if scores.shape[-1] >= _LARGE and not self._smoothing:
            loss: torch.Tensor = LargeCrossEntropy.apply(scores, labels, total)
            return loss
        weights = self._weights.get(name)
        summed = F.cross_entropy(
            scores.float(),
            labels,
            weight=None if weights is None else weights.to(scores.device),
            ignore_index=IGNORE,
            reduction="sum",
            label_smoothing=self._smoothing,
        )
        return summed / total

"""Losses: sums over labelled positions, divided by the count of the whole step, so that parts of a step add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)
from numpy.typing import NDArray

from lexel.tasks.gold import IGNORE
from lexel.training.config.options import DistillOptions
from lexel.training.data.heads import TrainedHead
from lexel.training.data.rows import HIDDEN, Batch, Examples, Target, crf_key, teacher_key
from lexel.training.objective.spans import spans_loss

_LARGE = 1024
"""From this number of outputs on, the cross entropy is computed in the scores' own type, in one buffer."""


class LargeCrossEntropy(torch.autograd.Function):  # type: ignore[misc]
    """Cross entropy over a vocabulary, in the scores' type and one buffer: three times as fast as PyTorch's."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, labels: torch.Tensor, total: float) -> torch.Tensor:
        """The sum over positions divided by ``total``; keeps the probabilities for the backward pass."""
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


def label_loss(
    scores: torch.Tensor, labels: torch.Tensor, *, weights: torch.Tensor | None, smoothing: float, focal_gamma: float
) -> torch.Tensor:
    """Cross entropy of one label per position, summed over the labelled positions.

    The whole loss of a position, including the smoothed share, is weighted by its gold label. PyTorch would weight
    each label's share by that label, so that rare and absent labels dominate.

    Args:
        scores: Scores before softmax, ``[positions, labels]``.
        labels: The gold labels, ``IGNORE`` where there are none, ``[positions]``.
        weights: The weight of each label, ``[labels]``.
        smoothing: Share of the probability that is spread over all labels.
        focal_gamma: Exponent of the focal loss (https://arxiv.org/abs/1708.02002); 0 for plain cross entropy.
    """
    if weights is None and not focal_gamma:
        plain: torch.Tensor = F.cross_entropy(
            scores.float(), labels, ignore_index=IGNORE, reduction="sum", label_smoothing=smoothing
        )
        return plain
    known = labels != IGNORE
    labels = labels[known]
    log_probs = scores[known].float().log_softmax(-1)
    gold = log_probs.gather(1, labels[:, None])[:, 0]
    losses = -(1 - smoothing) * gold - smoothing * log_probs.mean(1)
    if focal_gamma:
        losses = losses * (1 - gold.exp()).clamp_min(0) ** focal_gamma
    if weights is not None:
        losses = losses * weights.to(losses.device)[labels]
    return losses.sum()


def labels_loss(
    scores: torch.Tensor, labels: torch.Tensor, *, weights: torch.Tensor | None, focal_gamma: float
) -> torch.Tensor:
    """Binary cross entropy of any number of labels per text, summed; ``labels`` are 0 or 1, ``[texts, labels]``."""
    own = None if weights is None else weights.to(scores.device)
    losses = F.binary_cross_entropy_with_logits(scores.float(), labels, weight=own, reduction="none")
    if focal_gamma:
        probs = scores.float().sigmoid()
        losses = losses * (labels - probs).abs() ** focal_gamma
    return losses.sum()


def class_weights(
    heads: Sequence[TrainedHead], asked: str | Mapping[str, float] | None, examples: Examples
) -> dict[str, torch.Tensor]:
    """The weights of each head's labels, ``[labels]``, for the heads that have labels.

    Args:
        heads: The heads.
        asked: ``balanced``, or weights by label, with 1 for others; ``None`` for no weights.
        examples: The training examples, whose labels are counted.
    """
    if asked is None:
        return {}
    labelled = [head for head in heads if head.labels and head.options.problem != "regression" and head.task != "spans"]
    return {
        head.name: torch.from_numpy(
            balanced_weights(examples.label_totals(head))
            if isinstance(asked, str)
            else np.array([asked.get(label, 1.0) for label in head.labels], np.float32)
        )
        for head in labelled
    }


def balanced_weights(counts: NDArray[np.integer]) -> NDArray[np.float32]:
    """Weights that give every label of the data the same total; a label that never occurs weighs nothing.

    Args:
        counts: Number of occurrences of each label, ``[labels]``.
    """
    occurs = counts > 0
    mean = counts.sum() / max(int(occurs.sum()), 1)
    return np.where(occurs, mean / np.maximum(counts, 1), 0.0).astype(np.float32)


def answer_loss(scores: torch.Tensor, places: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
    """Cross entropy of first and last pieces over the slots of their sequence; the sum over sequences of the mean.

    Args:
        scores: For each slot, its scores as the first and as the last piece, ``[slots, 2]``.
        places: The gold slots, ``[sequences, 2]``.
        segments: The sequence of each slot; the number of sequences for a slot in none, ``[slots]``.
    """
    return -log_softmax_within(scores, segments, n=len(places)).gather(0, places).mean(1).sum()


def log_softmax_within(scores: torch.Tensor, segments: torch.Tensor, *, n: int) -> torch.Tensor:
    """Log-probabilities of slots within their segment, shaped as ``scores``; segment ``n`` has the slots in none."""
    index = segments[:, None].expand_as(scores)
    largest = scores.new_full((n + 1, scores.shape[1]), -torch.inf).scatter_reduce(0, index, scores.detach(), "amax")
    sums = scores.new_zeros(n + 1, scores.shape[1]).index_add(0, segments, (scores - largest[segments]).exp())
    return scores - (sums.log() + largest)[segments]


def soft_loss(scores: torch.Tensor, target: Target, *, temperature: float, problem: str | None) -> torch.Tensor:
    """The loss of scores against a teacher's: the sum over the picks, or over the sequences of an answer.

    It is the divergence of the probabilities at a temperature, times its square, which keeps the gradient's size
    (https://arxiv.org/abs/1503.02531); for regression, the squared difference.
    """
    assert target.soft is not None
    wanted = target.soft.scores.float()
    own = (scores if target.soft.slots is None else scores[target.soft.slots]).float()
    if problem == "regression":
        return (own - wanted).square().sum()
    own, wanted, scale = own / temperature, wanted / temperature, temperature**2
    if problem == "multi":
        return scale * F.binary_cross_entropy_with_logits(own, wanted.sigmoid(), reduction="sum")
    if target.segments is not None:
        inside, n = target.segments < target.n, target.n
        said, right = (log_softmax_within(each, target.segments, n=n)[inside] for each in (own, wanted))
        return scale * F.kl_div(said, right, log_target=True, reduction="sum") / own.shape[1]
    said, right = own.log_softmax(-1), wanted.log_softmax(-1)
    return scale * F.kl_div(said, right, log_target=True, reduction="sum")


def vector_loss(vectors: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The loss of vectors ``[sequences, size]`` against a teacher's: the sum of 1 - cosine over the sequences.

    This is half the squared distance of the two at length 1. https://arxiv.org/abs/2004.09813 trains sentence vectors
    by the squared distance to a teacher's, https://arxiv.org/abs/1910.01108 uses the directions of its states.
    """
    return (1 - F.cosine_similarity(vectors.float(), wanted.float(), dim=1)).sum()


class Losses:
    """The losses of several heads.

    Args:
        heads: The heads.
        smoothing: Share of each label's probability that is spread over all labels.
        class_weights: By head, the weight of each label, ``[labels]``.
        focal_gamma: Exponent of the focal loss of heads with labels; 0 for plain cross entropy.
        distill: Options of distillation, if there is a teacher; its losses are ``teacher_key(head)`` and ``HIDDEN``.

    Attributes:
        weights: The weight of each loss by name, in the order of ``totals``.
    """

    def __init__(
        self,
        heads: Sequence[TrainedHead],
        *,
        smoothing: float = 0.0,
        class_weights: Mapping[str, torch.Tensor] | None = None,
        focal_gamma: float = 0.0,
        distill: DistillOptions | None = None,
    ) -> None:
        self.weights = dict(_weights_of(heads, distill))
        self._temperature = 1.0 if distill is None else distill.temperature
        self._smoothing = smoothing
        self._weights = dict(class_weights or {})
        self._focal_gamma = focal_gamma
        self._has_labels = {head.name: bool(head.labels) for head in heads}
        self._problems = {head.name: head.options.problem for head in heads}
        self._pointers = {head.name: (head.pointer, len(head.labels)) for head in heads if head.pointer is not None}

    @property
    def names(self) -> list[str]:
        """The losses' names, in the order of ``totals``: those of the heads, and those of a teacher."""
        return list(self.weights)

    def totals(self, batch: Batch | None) -> list[float]:
        """By loss, the divisor of a batch's mean: its labels, or their weights; for a teacher, the compared slots."""
        return [0.0 if batch is None else self._total(batch, name) for name in self.names]

    def _total(self, batch: Batch, name: str) -> float:
        if name == HIDDEN:
            return 0.0 if batch.hidden is None else float(batch.hidden.shape[1])
        head, _, teacher = name.partition("/")
        target = batch.targets[head]
        if teacher:
            soft = target.soft
            return 0.0 if soft is None else float(target.n if target.segments is not None else len(soft.scores))
        weights = self._weights.get(name)
        if weights is None or target.labels.is_floating_point() or target.segments is not None:
            return float(target.n)
        labels = target.labels[target.labels != IGNORE]
        return float(weights[labels].sum())

    def of(self, scores: Mapping[str, torch.Tensor], batch: Batch, totals: Sequence[float]) -> dict[str, torch.Tensor]:
        """By name, this batch's part of the mean loss over ``totals``, without the weights."""
        found = {}
        for name, total in zip(self.names, totals, strict=True):
            if total > 0 and self._total(batch, name) > 0:
                found[name] = self._loss(name, scores, batch, total)
        return found

    def _loss(self, name: str, scores: Mapping[str, torch.Tensor], batch: Batch, total: float) -> torch.Tensor:
        if name == HIDDEN:
            assert batch.hidden is not None
            apart = (scores[HIDDEN].float() - batch.hidden.float()).square()
            return apart.mean((0, 2)).sum() / total
        head, _, teacher = name.partition("/")
        target = batch.targets[head]
        if teacher:
            if name in scores:
                assert target.soft is not None
                return vector_loss(scores[name], target.soft.scores) / total
            problem = self._problems.get(head)
            return soft_loss(scores[head], target, temperature=self._temperature, problem=problem) / total
        if crf_key(name) in scores:
            return scores[crf_key(name)] / total
        return self._one(name, scores[name], target, total)

    def weighted(self, losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The sum of the losses, each times its weight."""
        return torch.stack([loss.float() * self.weights[name] for name, loss in losses.items()]).sum()

    def _one(self, name: str, scores: torch.Tensor, target: Target, total: float) -> torch.Tensor:
        labels = target.labels
        if target.spans is not None:
            form, n_labels = self._pointers[name]
            return spans_loss(scores, target.spans, form, n_labels=n_labels) / total
        if target.segments is not None:
            return answer_loss(scores.float(), labels, target.segments) / total
        if labels.is_floating_point():
            known = ~labels.isnan().any(1)
            scores, labels = scores[known], labels[known]
        if self._problems.get(name) == "regression":
            return (scores.float() - labels).square().sum() / total
        weights = self._weights.get(name)
        gamma = self._focal_gamma if self._has_labels[name] else 0.0
        if self._problems.get(name) == "multi":
            return labels_loss(scores, labels, weights=weights, focal_gamma=gamma) / total
        is_picked = target.slots is not None  # then every position has a label
        if scores.shape[-1] >= _LARGE and is_picked and weights is None and not self._smoothing and not gamma:
            loss: torch.Tensor = LargeCrossEntropy.apply(scores, labels, total)
            return loss
        summed = label_loss(scores, labels, weights=weights, smoothing=self._smoothing, focal_gamma=gamma)
        return summed / total


def _weights_of(heads: Sequence[TrainedHead], distill: DistillOptions | None) -> Iterator[tuple[str, float]]:
    """The weight of each loss, without losses of weight 0."""
    gold = 1.0 if distill is None else distill.gold_weight
    if gold:
        yield from ((head.name, head.options.loss_weight * gold) for head in heads)
    if distill is None:
        return
    if distill.label_weight:
        yield from ((teacher_key(head.name), head.options.loss_weight * distill.label_weight) for head in heads)
    if distill.hidden_weight:
        yield HIDDEN, distill.hidden_weight

"""Heads for vectors of texts: a trained one, and the pooling of a sentence-transformers folder.

They pool like ``lexel.tasks.pooling``, but with gradients, and each window of a text separately.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)
from torch import nn

from lexel.checkpoint.sentence_transformers import Activation, Dense, PoolingMode, SentenceModules, Step
from lexel.training.config.choices import HeadPooling

_ACTIVATIONS: Mapping[Activation, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "identity": torch.clone,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
}


class VectorHead(nn.Module, ABC):  # type: ignore[misc]
    """Computes the vector of a text.

    It learns from a teacher's vectors, or from classes, or both. For classes, its scores are cosines with a vector of
    each class, times ``SHARPNESS``, so that texts of a class get close together and away from others
    (https://arxiv.org/abs/1704.06369). The classes' vectors are not saved with the head.

    Attributes:
        attention: Weights for scoring the pieces, ``[1, hidden]``; ``None`` without trained attention.
        classes: The classes' vectors, ``[classes, size]``; ``None`` without classes.
    """

    SHARPNESS = 20.0
    attention: nn.Linear | None
    classes: nn.Linear | None

    def forward(self, states: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
        """Scores ``[sequences, classes]``."""
        vectors = self.vectors(states, pools)
        if self.classes is None:
            return vectors.new_zeros(len(vectors), 0)
        classes = self.classes.weight
        cosines = F.normalize(vectors.float()) @ F.normalize(classes.float()).T
        return cosines * self.SHARPNESS

    @abstractmethod
    def vectors(self, states: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
        """The vector of each sequence, ``[sequences, size]``.

        Args:
            states: The states of its pieces, ``[picks, hidden]``.
            pools: The number of the sequence that each of them is pooled into, ``[picks]``.
        """

    @abstractmethod
    def in_teacher_space(
        self, states: torch.Tensor, pools: torch.Tensor, *, to: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """The vectors in the size of a teacher's; ``to`` maps hidden states to the teacher's width."""


class EmbedHead(VectorHead):
    """Pieces weighted by attention or their mean, and a dense map with tanh, if there is one."""

    def __init__(self, hidden_size: int, n_classes: int, *, pooling: HeadPooling, dimensions: int | None) -> None:
        super().__init__()
        size = hidden_size if dimensions is None else dimensions
        self.attention = None if pooling == "dense" else nn.Linear(hidden_size, 1)
        self.dense = None if pooling == "attention" else nn.Linear(hidden_size, size)
        self.classes = _class_vectors(size, n_classes)

    def vectors(self, states: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
        """The vector of each sequence, ``[sequences, size]``."""
        n = int(pools[-1]) + 1
        if self.attention is None:
            shares = states.new_ones(len(states), 1) / pools.bincount()[pools, None]
        else:
            scores = self.attention(states)[:, 0]
            largest = scores.new_full((n,), -torch.inf).scatter_reduce(0, pools, scores.detach(), "amax")
            raised = (scores - largest[pools]).exp()
            shares = (raised / raised.new_zeros(n).index_add(0, pools, raised)[pools])[:, None]
        pooled = states.new_zeros(n, states.shape[1]).index_add(0, pools, states * shares.to(states.dtype))
        return pooled if self.dense is None else torch.tanh(self.dense(pooled))

    def in_teacher_space(
        self, states: torch.Tensor, pools: torch.Tensor, *, to: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """The vectors in the size of a teacher's; a dense map already gives this size."""
        vectors = self.vectors(states, pools)
        return vectors if self.dense is not None else to(vectors)


class SentenceHead(VectorHead):
    """The pooling in sentence-transformers' files, and the steps after it; it has no trained weights."""

    def __init__(self, hidden_size: int, n_classes: int, *, modules: SentenceModules) -> None:
        super().__init__()
        self.attention = None
        self._ways, self._steps = modules.pooling, modules.steps
        maps = [step for step in modules.steps if not isinstance(step, str)]
        self.classes = _class_vectors(len(maps[-1].weight) if maps else hidden_size * len(self._ways), n_classes)

    def vectors(self, states: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
        """The vector of each sequence, ``[sequences, size]``, in float32."""
        vectors = torch.cat([_pooled(way, states.float(), pools) for way in self._ways], 1)
        for step in self._steps:
            vectors = _stepped(step, vectors)
        return vectors

    def in_teacher_space(
        self, states: torch.Tensor, pools: torch.Tensor, *, to: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """The vectors pooled from states in a teacher's width."""
        return self.vectors(to(states), pools)


def _class_vectors(size: int, n_classes: int) -> nn.Linear | None:
    return nn.Linear(size, n_classes, bias=False) if n_classes else None


def _pooled(way: PoolingMode, states: torch.Tensor, pools: torch.Tensor) -> torch.Tensor:
    """One vector per sequence, ``[sequences, hidden]``."""
    counts = pools.bincount()
    ends, shape = counts.cumsum(0), (len(counts), states.shape[1])
    if way == "cls":
        return states[ends - counts]
    if way == "last":
        return states[ends - 1]
    if way == "max":
        index = pools[:, None].expand_as(states)
        return states.new_full(shape, -torch.inf).scatter_reduce(0, index, states, "amax")
    weights = states.new_ones(len(states))
    if way == "weighted_mean":  # by their places, from 1
        weights = weights.cumsum(0) - (ends - counts)[pools]
    sums = states.new_zeros(shape).index_add(0, pools, states * weights[:, None])
    total = weights.new_zeros(len(counts)).index_add(0, pools, weights)
    return sums / (total.sqrt() if way == "mean_sqrt_len" else total)[:, None]


def _stepped(step: Step, vectors: torch.Tensor) -> torch.Tensor:
    """Vectors after one of the steps after pooling."""
    if isinstance(step, str):
        return F.normalize(vectors)
    weight = torch.tensor(step.weight).to(vectors)
    bias = None if step.bias is None else torch.tensor(step.bias).to(vectors)
    if not isinstance(step, Dense):
        return F.layer_norm(vectors, weight.shape, weight, bias, step.eps)
    mapped = _ACTIVATIONS[step.activation](F.linear(vectors, weight, bias))
    if step.residual is None:
        return mapped
    if isinstance(step.residual, str):
        return mapped + vectors
    return mapped + F.linear(vectors, torch.tensor(step.residual).to(vectors))

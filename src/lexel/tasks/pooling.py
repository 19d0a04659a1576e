"""Pools the pieces' hidden states into one vector per group of pieces: a text, a word, an entity.

States arrive batch by batch and are pooled at once, so only one row per window is kept, even for a text of a million
pieces. The pieces of a group in one window are consecutive: a *run*. The runs of a group are combined at the end, and
each piece of a text counts once:

    mean, mean_sqrt_len, weighted_mean, attention   sums over the runs, then one division: exact
    max                                             the maximum: exact
    cls                                             the windows' first pieces, weighted by the pieces that each decides
    last                                            the last window's last piece
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.sentence_transformers import Activation, Dense, PoolingMode, Scale, Step
from lexel.tasks.slot_positions import Floats, Ints, SlotPositions

Pooling = PoolingMode | Literal["attention"]
POOLINGS: tuple[Pooling, ...] = (*get_args(PoolingMode), "attention")

_LONG_RUN = 8
"""Runs with at least this many rows on average are reduced one by one, which is much faster than ``reduceat``."""


@dataclass(slots=True)
class _Runs:
    """The state of the runs seen so far, for one way to pool: lists of ``[runs]`` and ``[runs, hidden]``."""

    group: list[Ints] = field(default_factory=list)
    vector: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)
    peak: list[Floats] = field(default_factory=list)

    def put(self, group: Ints, vector: Floats, weight: Floats | None = None, peak: Floats | None = None) -> None:
        self.group.append(group)
        self.vector.append(vector)
        if weight is not None:
            self.weight.append(weight)
        if peak is not None:
            self.peak.append(peak)


def pooled_slots(positions: SlotPositions, ways: Sequence[Pooling]) -> NDArray[np.bool_]:
    """The slots that some ways to pool need, ``[slots]``."""
    if "cls" not in ways:
        return np.asarray(positions.place > 0)
    if len(ways) > 1:
        return np.asarray(positions.place >= 0)
    counted = np.flatnonzero(positions.place > 0)
    picked = positions.place == 0
    picked[counted[np.diff(positions.group[counted], prepend=-1) != 0]] = True  # where each text begins
    return np.asarray(picked)


class Pool:
    """Pools states into groups, in one way or several; several vectors are concatenated.

    Args:
        ways: The ways to pool.
        n_groups: Number of groups.
        size: Width of a state.
    """

    def __init__(self, ways: Sequence[Pooling], *, n_groups: int, size: int) -> None:
        self._ways = tuple(ways)
        self._n_groups = n_groups
        self._size = size
        self._runs = {way: _Runs() for way in self._ways}

    def add(self, states: Floats, positions: SlotPositions, *, shares: Floats | None = None) -> None:
        """Pool some states.

        Args:
            states: ``[slots, hidden]``.
            positions: The groups and places of the slots.
            shares: For ``attention``, each slot's score before the softmax, ``[slots]``.
        """
        if "cls" in self._runs:
            self._keep("cls", states, positions, positions.run_starts, weight=positions.decided)
            within = positions.place > 0
            states, positions, shares = states[within], positions[within], None if shares is None else shares[within]
        starts = positions.run_starts
        for way in self._runs:
            if way == "last":
                ends = np.append(starts[1:], len(states)) - 1
                self._keep(way, states, positions, ends[ends >= 0], weight=positions.place)
            elif way == "max":
                self._runs[way].put(positions.group[starts], _over_runs(np.maximum, states, starts))
            elif way != "cls":
                self._sum(way, states, positions, starts, shares)

    def _keep(self, way: Pooling, states: Floats, positions: SlotPositions, at: Ints, *, weight: Ints) -> None:
        self._runs[way].put(positions.group[at], states[at], weight[at].astype(np.float32))

    def _sum(self, way: Pooling, states: Floats, positions: SlotPositions, starts: Ints, shares: Floats | None) -> None:
        weights, peak = np.ones(len(states), np.float32), None
        if way == "weighted_mean":
            weights = positions.place.astype(np.float32)
        elif way == "attention" and shares is not None and len(starts):
            peak = np.maximum.reduceat(shares, starts)
            weights = np.exp(shares - np.repeat(peak, np.diff(np.append(starts, len(states)))))
        if way in ("weighted_mean", "attention"):
            states = states * weights[:, None]
        total = np.add.reduceat(weights, starts) if len(starts) else weights
        self._runs[way].put(positions.group[starts], _over_runs(np.add, states, starts), total, peak)

    def vectors(self) -> Floats:
        """The groups' vectors, ``[groups, ways * hidden]``; zeros for a group without a slot."""
        parts = [self._joined(way, runs) for way, runs in self._runs.items()]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _joined(self, way: Pooling, runs: _Runs) -> Floats:
        if not runs.group:
            return np.zeros((self._n_groups, self._size), np.float32)
        group, vector = np.concatenate(runs.group), np.concatenate(runs.vector)
        if way == "max":
            return self._greatest(group, vector)
        weight = np.concatenate(runs.weight)
        if way == "last":
            weight = self._only_latest(group, weight)
        if way in ("cls", "last"):
            vector = vector * weight[:, None]
        if runs.peak:
            peak = np.concatenate(runs.peak)
            top = np.full(self._n_groups, -np.inf, np.float32)
            np.maximum.at(top, group, peak)
            scale = np.exp(peak - top[group])
            vector, weight = vector * scale[:, None], weight * scale
        return self._divided(way, group, vector, weight)

    def _greatest(self, group: Ints, vector: Floats) -> Floats:
        result = np.full((self._n_groups, self._size), -np.inf, np.float32)
        np.maximum.at(result, group, vector)
        result[np.isneginf(result)] = 0
        return result

    def _only_latest(self, group: Ints, place: Floats) -> Floats:
        """1 for the last run of each group, 0 for the others, ``[runs]``."""
        latest = np.full(self._n_groups, -1, np.float32)
        np.maximum.at(latest, group, place)
        return np.asarray(place == latest[group], np.float32)

    def _divided(self, way: Pooling, group: Ints, vector: Floats, weight: Floats) -> Floats:
        sums = np.zeros((self._n_groups, self._size))
        if len(np.unique(group)) == len(group):  # usual: one run per group
            sums[group] = vector
        else:
            np.add.at(sums, group, vector)
        total = np.bincount(group, weight, self._n_groups)
        if way == "mean_sqrt_len":
            total = np.sqrt(total)
        return (sums / np.where(total > 0, total, 1)[:, None]).astype(np.float32)


def _over_runs(reduce: np.ufunc, states: Floats, starts: Ints) -> Floats:
    """One row per run, ``[runs, hidden]``."""
    if 0 < len(states) < _LONG_RUN * len(starts):
        return np.asarray(reduce.reduceat(states, starts, axis=0), np.float32)
    edges = [*starts.tolist(), len(states)]
    rows = np.empty((len(starts), states.shape[1]), np.float32)
    for i, row in enumerate(rows):
        reduce.reduce(states[edges[i] : edges[i + 1]], axis=0, out=row)
    return rows


# What is done to a pooled vector -------------------------------------------------------------------------------------


def apply_steps(vectors: Floats, steps: Iterable[Step]) -> Floats:
    """Vectors ``[texts, dims]`` after the steps."""
    for step in steps:
        if isinstance(step, Dense):
            vectors = _apply_dense(vectors, step)
        elif isinstance(step, Scale):
            vectors = _apply_scale(vectors, step)
        else:
            vectors = normalise(vectors)
    return vectors


def normalise(vectors: Floats) -> Floats:
    """Vectors ``[..., dims]`` at length 1; one of zeros stays."""
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    scaled: Floats = vectors / np.maximum(lengths, 1e-12)[..., None]
    return scaled


def _apply_dense(vectors: Floats, dense: Dense) -> Floats:
    mapped = vectors @ dense.weight.astype(np.float32, copy=False).T
    if dense.bias is not None:
        mapped += dense.bias
    result = _activate(mapped, dense.activation)
    if dense.residual is None:
        return result
    if isinstance(dense.residual, str):
        return result + vectors
    return result + vectors @ dense.residual.astype(np.float32, copy=False).T


def _apply_scale(vectors: Floats, scale: Scale) -> Floats:
    centred = vectors - vectors.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(scale.eps))
    return np.asarray(centred / spread * scale.weight + scale.bias, np.float32)


def _activate(x: Floats, name: Activation) -> Floats:
    if name == "tanh":
        return np.asarray(np.tanh(x))
    if name == "relu":
        return np.maximum(x, np.float32(0))
    if name in ("sigmoid", "silu"):
        gate: Floats = np.float32(0.5) * (np.tanh(x * np.float32(0.5)) + np.float32(1))
        return gate * x if name == "silu" else gate
    return x

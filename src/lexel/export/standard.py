"""A model with the inputs and outputs that other programs expect, defined once for every format.

    inputs    input_ids, attention_mask, token_type_ids (if the family has types), [rows, length]
    outputs   logits                          a head for labels, masks or classes
              start_logits, end_logits        a head for answers
              last_hidden_state               a bare encoder
              ... and sentence_embedding      a model for vectors, pooled and normalised
              each head's name                several heads for labels in one graph

Rows hold one sequence each, padded; positions are computed from the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.sentence_transformers import Dense, Scale
from lexel.encoder.layers import Inputs
from lexel.encoder.ops import Ops
from lexel.engines.heads import output_width
from lexel.engines.model import build_model
from lexel.errors import OptionError
from lexel.tasks.pooling_choice import PoolingPlan

T = TypeVar("T")

HIDDEN = 1e9
"""Subtracted from numbers that must be ignored."""

Unary = Literal["sqrt", "sigmoid"]
Binary = Literal["subtract", "divide", "maximum"]
Reduction = Literal["sum", "max"]


class Target(NamedTuple):
    """The outputs of a graph: a head, vectors, several heads, or else the last hidden state.

    Attributes:
        head: A head.
        plan: A plan for vectors.
        joint: Several heads for labels of pieces, each an output with its name.
    """

    head: Head | None = None
    plan: PoolingPlan | None = None
    joint: tuple[Head, ...] = ()


class StandardOps(Ops[T], Protocol[T]):
    """``Ops`` for rows of one sequence each, with further operations for positions and pooling.

    ``pick`` takes one slot of every row, or all pieces if ``picks`` is ``None``.
    """

    def slots(self, ids: T) -> T:
        """Positions ``0, 1, 2, ...`` of ``ids [rows, length]``, as ``[1, length]`` or ``[rows, length]``."""
        ...

    def counted(self, ids: T, pad_id: int) -> T:
        """Number of pieces other than ``pad_id`` before each piece, ``[rows, length]``."""
        ...

    def weights_of(self, mask: T) -> T:
        """The attention mask as real numbers ``[rows, length, 1]``."""
        ...

    def real(self, value: float) -> T:
        """A real number."""
        ...

    def unary(self, kind: Unary, x: T) -> T:
        """A function of each number."""
        ...

    def binary(self, kind: Binary, left: T, right: T) -> T:
        """An elementwise function of two tensors, with broadcasting."""
        ...

    def reduced(self, kind: Reduction, x: T, *, axis: int, keeps_axis: bool = False) -> T:
        """The sum or maximum along an axis."""
        ...

    def shares(self, x: T) -> T:
        """Softmax along axis 1."""
        ...

    def at(self, x: T, index: int, *, axis: int) -> T:
        """One slice along an axis, without that axis."""
        ...

    def joined(self, parts: Sequence[T]) -> T:
        """Tensors concatenated along the last axis."""
        ...


class Output(NamedTuple, Generic[T]):
    """A tensor's name and sizes; a string stands for a variable size."""

    name: str
    tensor: T
    shape: tuple[str | int, ...]


ROWS, LENGTH = "batch_size", "sequence_length"


def input_names(checkpoint: Checkpoint) -> list[str]:
    """The inputs of a checkpoint's graph, in order."""
    return ["input_ids", "attention_mask", *(["token_type_ids"] if checkpoint.config.n_types else [])]


def outputs_of(checkpoint: Checkpoint, target: Target) -> list[str]:
    """The outputs to request from the model."""
    if target.plan is not None:
        return list(target.plan.outputs)
    if target.joint:
        return [head.name for head in target.joint]
    return [f"hidden.{checkpoint.config.n_layers}" if target.head is None else target.head.name]


class StandardModel(Generic[T]):
    """A checkpoint on standard inputs.

    Args:
        ops: Operations that compute, or build a graph.
        checkpoint: The model.
        target: The outputs to compute.

    Raises:
        OptionError: If a graph cannot have its pooling.
        WeightError: If a tensor is missing, or has another shape.
    """

    def __init__(self, ops: StandardOps[T], checkpoint: Checkpoint, target: Target) -> None:
        self._ops, self._config, self._target = ops, checkpoint.config, target
        self._wanted = outputs_of(checkpoint, target)
        self._model = build_model(ops, checkpoint, self._wanted)

    def __call__(self, given: Mapping[str, T], *, first: Any = 0) -> list[Output[T]]:
        """Compute the outputs.

        Args:
            given: The inputs by name.
            first: Slot 0 as the ``picks`` of these ``Ops``.
        """
        ids, mask, config = given["input_ids"], given["attention_mask"], self._config
        counts = config.family.skips_padding_position
        positions = self._ops.counted(ids, config.pad_id) if counts else self._ops.slots(ids)
        types: Any = given.get("token_type_ids")
        picks: Any = first if self._is_by_text else None
        results = self._model(Inputs(ids, positions, types, mask), picks, self._wanted)
        return self._outputs(results, mask)

    @property
    def _is_by_text(self) -> bool:
        return self._target.head is not None and self._target.head.task == "classify"

    def _outputs(self, results: Sequence[T], mask: T) -> list[Output[T]]:
        ops, config, head, plan = self._ops, self._config, self._target.head, self._target.plan
        if plan is not None:
            states = results[-1 if plan.attention is None else -2]
            return [
                Output("last_hidden_state", states, (ROWS, LENGTH, config.hidden_size)),
                Output("sentence_embedding", _pooled(ops, plan, results, mask), (ROWS, plan.size)),
            ]
        if self._target.joint:
            return [
                Output(one.name, scores, (ROWS, LENGTH, output_width(one, config)))
                for one, scores in zip(self._target.joint, results, strict=True)
            ]
        if head is None:
            return [Output("last_hidden_state", results[0], (ROWS, LENGTH, config.hidden_size))]
        if head.task == "answer":
            names = ("start_logits", "end_logits")
            return [Output(name, ops.at(results[0], i, axis=2), (ROWS, LENGTH)) for i, name in enumerate(names)]
        places = (ROWS,) if self._is_by_text else (ROWS, LENGTH)
        return [Output("logits", results[0], (*places, output_width(head, config)))]


# Vectors -------------------------------------------------------------------------------------------------------------


def _pooled(ops: StandardOps[T], plan: PoolingPlan, results: Sequence[T], mask: T) -> T:
    """One vector per row, ``[rows, dims]``."""
    states, scores = results[0], None if plan.attention is None else results[1]
    counted = ops.weights_of(mask)
    parts = [_pooled_by(ops, way, states, counted, scores) for way in plan.ways]
    vectors = parts[0] if len(parts) == 1 else ops.joined(parts)
    for number, step in enumerate(plan.steps):
        vectors = _stepped(ops, vectors, step, name=f"vectors.{number}")
    return vectors


def _pooled_by(ops: StandardOps[T], way: str, states: T, counted: T, scores: T | None) -> T:
    """States ``[rows, length, hidden]`` pooled in one way; ``counted [rows, length, 1]`` is 1 for pieces."""
    if way == "cls":
        return ops.at(states, 0, axis=1)
    if way == "max":
        return ops.reduced("max", ops.add(states, _hidden(ops, counted)), axis=1)
    if way == "attention" and scores is not None:
        return ops.reduced("sum", ops.multiply(states, ops.shares(ops.add(scores, _hidden(ops, counted)))), axis=1)
    if way in ("mean", "mean_sqrt_len"):
        n_pieces = ops.binary("maximum", ops.reduced("sum", counted, axis=1), ops.real(1e-9))
        total = ops.reduced("sum", ops.multiply(states, counted), axis=1)
        return ops.binary("divide", total, n_pieces if way == "mean" else ops.unary("sqrt", n_pieces))
    raise OptionError(
        f"pooling {way!r}: not in an exported graph; expected mean, mean_sqrt_len, cls, max or learned pooling"
    )


def _hidden(ops: StandardOps[T], counted: T) -> T:
    """0 for pieces, and for padding a number so negative that the maximum ignores it."""
    return ops.multiply(ops.binary("subtract", ops.real(1.0), counted), ops.real(-HIDDEN))


def _stepped(ops: StandardOps[T], vectors: T, step: Any, *, name: str) -> T:
    """Apply the steps after pooling."""
    if isinstance(step, Scale):
        weight, shift = (ops.constant(x, name=f"{name}.{part}") for x, part in ((step.weight, "w"), (step.bias, "b")))
        return ops.layer_norm(vectors, weight, shift, eps=step.eps)
    if not isinstance(step, Dense):
        squares = ops.reduced("sum", ops.multiply(vectors, vectors), axis=1, keeps_axis=True)
        return ops.binary("divide", vectors, ops.binary("maximum", ops.unary("sqrt", squares), ops.real(1e-12)))
    bias = None if step.bias is None else ops.constant(step.bias, name=f"{name}.bias")
    mapped = ops.linear(vectors, ops.constant(step.weight, name=f"{name}.weight"), bias)
    if step.activation == "sigmoid":
        mapped = ops.unary("sigmoid", mapped)
    elif step.activation != "identity":
        mapped = ops.activation(mapped, step.activation)
    if step.residual is None:
        return mapped
    if isinstance(step.residual, np.ndarray):
        vectors = ops.linear(vectors, ops.constant(step.residual, name=f"{name}.residual"), None)
    return ops.add(mapped, vectors)

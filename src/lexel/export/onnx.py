"""A checkpoint as an ONNX graph with the inputs and outputs that other programs look for.

    inputs    input_ids, attention_mask, token_type_ids (where the family has types), int64 [rows, length]
    outputs   logits                          a head for labels, masks or classes
              start_logits, end_logits        a head for answers
              last_hidden_state               a bare encoder
              ... and sentence_embedding      a model for vectors, pooled and normalised

Positions are made in the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir

from lexel.checkpoint import Checkpoint, Head
from lexel.checkpoint.sentence_transformers import Dense, Scale
from lexel.encoder.layers import Inputs
from lexel.engines.heads import output_width
from lexel.engines.model import build_model
from lexel.errors import OptionError
from lexel.export.onnx_ops import OPSET, OnnxOps, named
from lexel.tasks.pooling_choice import PoolingPlan

IR_VERSION = 8

MOST_IN_FILE = 2**31 - 2**24
"""Weights of more bytes lie in a file of their own; an ONNX file ends at 2 GB."""

WEIGHTS = "model.onnx_data"

_ROWS, _LENGTH = "batch_size", "sequence_length"


class Target(NamedTuple):
    """What a graph is to compute: a head, or vectors by a plan, or neither for the last hidden state."""

    head: Head | None = None
    plan: PoolingPlan | None = None


def write_onnx(checkpoint: Checkpoint, path: Path, target: Target) -> None:
    """Write the graph of a checkpoint, and have onnx check it.

    Args:
        checkpoint: The model.
        path: Where to write it; weights above 2 GB lie beside it in ``model.onnx_data``.
        target: What it is to compute.

    Raises:
        OptionError: If its way to make vectors is not among those that a graph can have.
        WeightError: If a tensor is missing, or of another shape.
    """
    model = build_onnx(checkpoint, target)
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    ir.save(model, path, external_data=WEIGHTS if size > MOST_IN_FILE else None)
    onnx.checker.check_model(str(path), full_check=True)


def build_onnx(checkpoint: Checkpoint, target: Target) -> Any:
    """The graph as a model of onnx-ir."""
    ops, config, head = OnnxOps(), checkpoint.config, target.head
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if config.n_types else [])]
    given = [_input(name) for name in names]
    ids, mask = given[:2]
    inputs = Inputs(ids, _positions(ops, checkpoint, ids), given[-1] if config.n_types else None, mask)
    wanted = outputs_of(checkpoint, target)
    model = build_model(ops, checkpoint, wanted)
    is_whole = head is not None and head.task == "classify"
    results = model(inputs, ops.number(0) if is_whole else None, wanted)
    outputs = _outputs(ops, checkpoint, target, results, mask)
    graph = ir.Graph(
        given, outputs, nodes=ops.nodes, initializers=ops.initializers, opset_imports={"": OPSET}, name="lexel"
    )
    return ir.Model(graph, ir_version=IR_VERSION, producer_name="lexel")


def outputs_of(checkpoint: Checkpoint, target: Target) -> list[str]:
    """What to ask of the model."""
    if target.plan is not None:
        return list(target.plan.outputs)
    return [f"hidden.{checkpoint.config.n_layers}" if target.head is None else target.head.name]


def _input(name: str) -> Any:
    return ir.Value(name=name, shape=ir.Shape([_ROWS, _LENGTH]), type=ir.TensorType(ir.DataType.INT64))


def _positions(ops: OnnxOps, checkpoint: Checkpoint, ids: Any) -> Any:
    """Positions of pieces: their slots, or in families that keep rows for padding a count of the other pieces."""
    config = checkpoint.config
    if not config.family.skips_padding_position:
        return ops.positions(ids)
    is_piece = ops.node("Not", ops.node("Equal", ids, ops.number(config.pad_id)))
    counted = ops.node("CumSum", ops.node("Cast", is_piece, to=ir.DataType.INT64.value), ops.number(1))
    return ops.node("Max", ops.node("Sub", counted, ops.number(1)), ops.number(0))


def _outputs(ops: OnnxOps, checkpoint: Checkpoint, target: Target, results: Sequence[Any], mask: Any) -> list[Any]:
    config, head = checkpoint.config, target.head
    if target.plan is not None:
        vectors = named(_pooled(ops, target.plan, results, mask), "sentence_embedding", [_ROWS, target.plan.size])
        states = ops.node("Identity", results[-1 if target.plan.attention is None else -2])
        return [named(states, "last_hidden_state", [_ROWS, _LENGTH, config.hidden_size]), vectors]
    if head is None:
        states = ops.node("Identity", results[0])
        return [named(states, "last_hidden_state", [_ROWS, _LENGTH, config.hidden_size])]
    if head.task == "answer":
        edges = (ops.node("Gather", results[0], ops.number(i), axis=2) for i in (0, 1))
        return [
            named(edge, name, [_ROWS, _LENGTH])
            for edge, name in zip(edges, ("start_logits", "end_logits"), strict=True)
        ]
    places = [_ROWS] if head.task == "classify" else [_ROWS, _LENGTH]
    return [named(ops.node("Identity", results[0]), "logits", [*places, output_width(head, config)])]


# Vectors -------------------------------------------------------------------------------------------------------------


def _pooled(ops: OnnxOps, plan: PoolingPlan, results: Sequence[Any], mask: Any) -> Any:
    """One vector a row, ``[rows, dims]``."""
    states, scores = (results[0], None) if plan.attention is None else results
    counted = ops.node("Unsqueeze", ops.node("Cast", mask, to=ir.DataType.FLOAT.value), ops.numbers(2))
    parts = [_pooled_by(ops, way, states, counted, scores) for way in plan.ways]
    vectors = parts[0] if len(parts) == 1 else ops.node("Concat", *parts, axis=1)
    for number, step in enumerate(plan.steps):
        vectors = _stepped(ops, vectors, step, name=f"vectors.{number}")
    return ops.node("Identity", vectors)


def _pooled_by(ops: OnnxOps, way: str, states: Any, counted: Any, scores: Any | None) -> Any:
    """States ``[rows, length, hidden]`` pooled in one way; ``counted [rows, length, 1]`` is 1 for pieces."""
    if way == "cls":
        return ops.node("Gather", states, ops.number(0), axis=1)
    if way == "max":
        hidden = ops.multiply(ops.node("Sub", ops.real(1.0), counted), ops.real(-1e9))
        return ops.node("ReduceMax", ops.add(states, hidden), axes=[1], keepdims=0)
    if way == "attention":
        hidden = ops.multiply(ops.node("Sub", ops.real(1.0), counted), ops.real(-1e9))
        shares = ops.node("Softmax", ops.add(scores, hidden), axis=1)
        return _sum(ops, ops.multiply(states, shares))
    if way in ("mean", "mean_sqrt_len"):
        n_pieces = ops.node("Max", _sum(ops, counted), ops.real(1e-9))
        total = _sum(ops, ops.multiply(states, counted))
        return ops.node("Div", total, n_pieces if way == "mean" else ops.node("Sqrt", n_pieces))
    raise OptionError(
        f"pooling {way!r}: not in an ONNX graph; expected mean, mean_sqrt_len, cls, max or learned pooling"
    )


def _sum(ops: OnnxOps, x: Any) -> Any:
    """The sum over a row's pieces."""
    return ops.node("ReduceSum", x, ops.numbers(1), keepdims=0)


def _stepped(ops: OnnxOps, vectors: Any, step: Any, *, name: str) -> Any:
    """What is done to pooled vectors."""
    if isinstance(step, Scale):
        weight, bias = (ops.constant(x, name=f"{name}.{part}") for x, part in ((step.weight, "w"), (step.bias, "b")))
        return ops.layer_norm(vectors, weight, bias, eps=step.eps)
    if not isinstance(step, Dense):
        length = ops.node("Sqrt", ops.node("ReduceSum", ops.multiply(vectors, vectors), ops.numbers(1), keepdims=1))
        return ops.node("Div", vectors, ops.node("Max", length, ops.real(1e-12)))
    bias = None if step.bias is None else ops.constant(step.bias, name=f"{name}.bias")
    mapped = ops.linear(vectors, ops.constant(step.weight, name=f"{name}.weight"), bias)
    if step.activation == "sigmoid":
        mapped = ops.node("Sigmoid", mapped)
    elif step.activation != "identity":
        mapped = ops.activation(mapped, step.activation)
    if isinstance(step.residual, np.ndarray):
        vectors = ops.linear(vectors, ops.constant(step.residual, name=f"{name}.residual"), None)
    return mapped if step.residual is None else ops.add(mapped, vectors)

"""Exports a checkpoint as an ONNX graph with standard inputs and outputs; see ``lexel.export.standard``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from lexel.checkpoint import Checkpoint
from lexel.engines.onnx_ops import OPSET, OnnxOps, named
from lexel.engines.onnx_session import open_session
from lexel.engines.onnxruntime import IR_VERSION, MOST_IN_FILE
from lexel.export.parity import Run
from lexel.export.standard import LENGTH, ROWS, Binary, Reduction, StandardModel, Target, Unary, input_names

WEIGHTS = "model.onnx_data"

_UNARY = {"sqrt": "Sqrt", "sigmoid": "Sigmoid"}
_BINARY = {"subtract": "Sub", "divide": "Div", "maximum": "Max"}


def write_onnx(checkpoint: Checkpoint, path: Path, target: Target) -> None:
    """Write the graph of a checkpoint, and check it with onnx.

    Args:
        checkpoint: The model.
        path: The file to write; weights above 2 GB go into ``model.onnx_data`` next to it.
        target: The outputs to compute.

    Raises:
        OptionError: If a graph cannot have its pooling.
        WeightError: If a tensor is missing, or has another shape.
    """
    model = build_onnx(checkpoint, target)
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values())
    ir.save(model, path, external_data=WEIGHTS if size > MOST_IN_FILE else None)
    onnx.checker.check_model(str(path), full_check=True)


def run_onnx(path: Path) -> Run:
    """A runner for a graph."""
    session = open_session(path)
    names = [value.name for value in session.get_outputs()]
    return lambda given: dict(zip(names, session.run(None, dict(given)), strict=True))


def build_onnx(checkpoint: Checkpoint, target: Target) -> Any:
    """The graph as a model of onnx-ir."""
    ops = StandardOnnxOps()
    given = {name: _input(name) for name in input_names(checkpoint)}
    outputs = StandardModel(ops, checkpoint, target)(given, first=ops.number(0))
    results = [named(ops.node("Identity", output.tensor), output.name, output.shape) for output in outputs]
    graph = ir.Graph(
        list(given.values()),
        results,
        nodes=ops.nodes,
        initializers=ops.initializers,
        opset_imports={"": OPSET},
        name="lexel",
    )
    return ir.Model(graph, ir_version=IR_VERSION, producer_name="lexel")


def _input(name: str) -> Any:
    return ir.Value(name=name, shape=ir.Shape([ROWS, LENGTH]), type=ir.TensorType(ir.DataType.INT64))


class StandardOnnxOps(OnnxOps):
    """``StandardOps`` as nodes of an ONNX graph."""

    def slots(self, ids: Any) -> Any:
        return self.positions(ids)

    def counted(self, ids: Any, pad_id: int) -> Any:
        is_piece = self.node("Not", self.node("Equal", ids, self.number(pad_id)))
        counted = self.node("CumSum", self.node("Cast", is_piece, to=ir.DataType.INT64.value), self.number(1))
        return self.node("Max", self.node("Sub", counted, self.number(1)), self.number(0))

    def weights_of(self, mask: Any) -> Any:
        return self.node("Unsqueeze", self.node("Cast", mask, to=ir.DataType.FLOAT.value), self.numbers(2))

    def unary(self, kind: Unary, x: Any) -> Any:
        return self.node(_UNARY[kind], x)

    def binary(self, kind: Binary, left: Any, right: Any) -> Any:
        return self.node(_BINARY[kind], left, right)

    def reduced(self, kind: Reduction, x: Any, *, axis: int, keeps_axis: bool = False) -> Any:
        if kind == "sum":
            return self.node("ReduceSum", x, self.numbers(axis), keepdims=int(keeps_axis))
        return self.node("ReduceMax", x, axes=[axis], keepdims=int(keeps_axis))

    def shares(self, x: Any) -> Any:
        return self.node("Softmax", x, axis=1)

    def at(self, x: Any, index: int, *, axis: int) -> Any:
        return self.node("Gather", x, self.number(index), axis=axis)

    def joined(self, parts: Sequence[Any]) -> Any:
        return self.node("Concat", *parts, axis=1)

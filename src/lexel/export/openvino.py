"""Exports a checkpoint as OpenVINO files with standard inputs and outputs; see ``lexel.export.standard``.

openvino/openvino_model.xml, openvino_model.bin    float32
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from lexel.checkpoint import Checkpoint
from lexel.engines.openvino_ops import OpenVinoOps
from lexel.export.parity import Run
from lexel.export.standard import Binary, Reduction, StandardModel, Target, Unary, input_names

GRAPH = "openvino/openvino_model.xml"

_UNARY = {"sqrt": op.sqrt, "sigmoid": op.sigmoid}
_BINARY = {"subtract": op.subtract, "divide": op.divide, "maximum": op.maximum}
_REDUCED = {"sum": op.reduce_sum, "max": op.reduce_max}


def write_openvino(checkpoint: Checkpoint, folder: Path, target: Target) -> None:
    """Write the graph of a checkpoint.

    Raises:
        OptionError: If a graph cannot have its pooling.
        WeightError: If a tensor is missing, or has another shape.
    """
    given = {name: op.parameter([-1, -1], np.int64, name) for name in input_names(checkpoint)}
    outputs = StandardModel(StandardOpenVinoOps(), checkpoint, target)(given)
    graph = ov.Model([output.tensor for output in outputs], list(given.values()), "lexel")
    for port, name in zip((*graph.inputs, *graph.outputs), (*given, *(one.name for one in outputs)), strict=True):
        port.get_tensor().set_names({name})
    (folder / GRAPH).parent.mkdir(exist_ok=True)
    ov.save_model(graph, folder / GRAPH, compress_to_fp16=False)


def run_openvino(folder: Path) -> Run:
    """A runner for the exported graph."""
    compiled = ov.Core().compile_model(folder / GRAPH, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})

    def run(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found = compiled(dict(given))
        return {port.get_any_name(): found[port].copy() for port in compiled.outputs}

    return run


class StandardOpenVinoOps(OpenVinoOps):
    """``StandardOps`` as nodes of an OpenVINO graph. Pieces have the sequence id 1, so they never attend to padding."""

    def pick(self, x: Any, picks: Any, *, hidden_size: int) -> Any:
        return x if picks is None else op.gather(x, _number(picks), _number(1))

    def slots(self, ids: Any) -> Any:
        length = op.gather(op.shape_of(ids, "i64"), _number(1), _number(0))
        return op.unsqueeze(op.range(_number(0), length, _number(1), "i32"), _number(0))

    def counted(self, ids: Any, pad_id: int) -> Any:
        is_piece = op.convert(op.not_equal(ids, _number(pad_id)), "i64")
        counted = op.maximum(op.subtract(op.cum_sum(is_piece, _number(1)), _number(1)), _number(0))
        return op.convert(counted, "i32")

    def weights_of(self, mask: Any) -> Any:
        return op.unsqueeze(op.convert(mask, "f32"), _number(2))

    def real(self, value: float) -> Any:
        return op.constant(np.float32(value))

    def unary(self, kind: Unary, x: Any) -> Any:
        return _UNARY[kind](x)

    def binary(self, kind: Binary, left: Any, right: Any) -> Any:
        return _BINARY[kind](left, right)

    def reduced(self, kind: Reduction, x: Any, *, axis: int, keeps_axis: bool = False) -> Any:
        return _REDUCED[kind](x, _number(axis), keeps_axis)

    def shares(self, x: Any) -> Any:
        return op.softmax(x, 1)

    def at(self, x: Any, index: int, *, axis: int) -> Any:
        return op.gather(x, _number(index), _number(axis))

    def joined(self, parts: Sequence[Any]) -> Any:
        return op.concat(list(parts), -1)


def _number(value: int) -> Any:
    return op.constant(np.int64(value))

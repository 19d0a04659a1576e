"""The entry of ``lexel.json`` for a quantised graph, and the check that the graph belongs to the weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.disk import sha256_of
from lexel.errors import CheckpointError
from lexel.jsonfile import read_bounded

if TYPE_CHECKING:
    from lexel.checkpoint import Checkpoint

GRAPH = "openvino-int8.xml"
GRAPH_WEIGHTS = "openvino-int8.bin"
WEIGHTS = "model.safetensors"

_XML = "xml_sha256"
_KEYS = {"weights_sha256", "graph_sha256", _XML, "outputs", "calibration", "cost", "kept", "method", "nncf"}

_LARGEST_XML = 32 << 20
_OPERATIONS = frozenset(
    (
        *("Parameter", "Const", "Result", "Convert", "FakeQuantize", "MatMul", "MVN", "SoftMax"),
        *("Abs", "Add", "Divide", "Maximum", "Minimum", "Multiply", "Negative", "Power", "Sqrt", "Subtract"),
        *("Clamp", "Cos", "Erf", "Exp", "Gelu", "HSwish", "Log", "Mish", "ReLU", "Sigmoid", "Sin", "Swish", "Tanh"),
        *("Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalNot", "LogicalOr", "Select"),
        *("Concat", "Gather", "GatherElements", "ReduceMean", "ReduceSum", "Reshape", "ShapeOf", "Slice", "Split"),
        *("Pad", "Range", "Squeeze", "StridedSlice", "Transpose", "Unsqueeze", "VariadicSplit"),
    )
)
"""The operations of a quantised encoder: no loops, no state, and no operations of other libraries."""

_logger = logging.getLogger("lexel")


@dataclass(frozen=True, slots=True)
class Quantised:
    """A quantised graph, from its entry in ``lexel.json``.

    Attributes:
        weights_sha256: Checksum of the weights that it was made from.
        graph_sha256: Checksum of its own weights.
        xml_sha256: Checksum of its operations.
        outputs: Its outputs: heads, and ``hidden.N``.
        record: The whole entry: calibration text, loss, operations in full precision, library version.
    """

    weights_sha256: str
    graph_sha256: str
    xml_sha256: str
    outputs: tuple[str, ...]
    record: Mapping[str, Any]


def read_quantised(entry: Any, where: str) -> Quantised | None:
    """The entry ``quantised`` of ``lexel.json``; ``None`` if it has no such entry.

    An entry without a checksum of the graph's operations was written by an early version: its graph is not used, and a
    warning says so.

    Raises:
        CheckpointError: If it is not in the form that ``lexel quantize`` writes.
    """
    if entry is None:
        return None
    if isinstance(entry, dict) and set(entry) == _KEYS - {_XML}:
        _logger.warning(
            "%s: has no checksum of %s, so the int8 graph is not used; run lexel quantize again", where, GRAPH
        )
        return None
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise CheckpointError(f"{where}: expected an object with {', '.join(sorted(_KEYS))}; run lexel quantize again")
    weights, graph, xml, outputs = (entry[key] for key in ("weights_sha256", "graph_sha256", _XML, "outputs"))
    if not isinstance(outputs, list) or not all(isinstance(text, str) for text in (weights, graph, xml, *outputs)):
        raise CheckpointError(f"{where}: outputs or a checksum is not a string; run lexel quantize again")
    return Quantised(weights, graph, xml, tuple(outputs), entry)


def quantised_graph(checkpoint: Checkpoint) -> Path:
    """The quantised graph of a checkpoint.

    Raises:
        CheckpointError: If there is none, its files do not belong together, or it has operations that a quantised
            encoder does not have.
    """
    folder, said = checkpoint.source.folder, checkpoint.quantised
    if said is None:
        raise CheckpointError(
            f"{folder}: has no int8 graph; expected what lexel quantize writes. Run it on this folder, "
            "or use another precision"
        )
    for name, expected in (
        (WEIGHTS, said.weights_sha256),
        (GRAPH_WEIGHTS, said.graph_sha256),
        (GRAPH, said.xml_sha256),
    ):
        path = folder / name
        if not path.exists():
            raise CheckpointError(f"{path}: is not there; expected it beside {GRAPH}. Run lexel quantize again")
        if sha256_of(path) != expected:
            raise CheckpointError(
                f"{path}: is not the file that {GRAPH} was made with, by its checksum. Run lexel quantize again"
            )
    _check_operations(folder / GRAPH)
    return folder / GRAPH


def _check_operations(path: Path) -> None:
    """Refuse a graph that does more than a quantised encoder, whoever wrote its checksum."""
    from xml.etree import ElementTree

    data = read_bounded(path, most_bytes=_LARGEST_XML)
    try:
        if b"<!" in data:  # no such file declares entities
            raise ElementTree.ParseError("it declares a document type")
        kinds = {layer.get("type") for layer in ElementTree.fromstring(data).iter("layer")}
    except ElementTree.ParseError as cause:
        raise CheckpointError(f"{path}: not the XML of a graph ({cause}). Run lexel quantize again") from cause
    strange = sorted(str(kind) for kind in kinds - _OPERATIONS)
    if strange or not kinds:
        found = ", ".join(strange[:5]) or "no operations"
        raise CheckpointError(
            f"{path}: has {found}; expected a quantised encoder's operations. Run lexel quantize again"
        )

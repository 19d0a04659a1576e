"""The graphs of a folder that ``lexel export`` wrote; such a folder has no weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lexel.checkpoint.weights import Weights, open_file, weight_file
from lexel.disk import sha256_of
from lexel.errors import CheckpointError, EngineError
from lexel.jsonfile import read_object

GRAPHS: Mapping[str, str] = {
    "float32": "onnx/model.onnx",
    "int8": "onnx/model_quantized.onnx",
    "float16": "onnx/model_fp16.onnx",
}
"""The graphs by their precision."""

RECORD = "export.json"

KEPT_WEIGHTS = "decoding.safetensors"
"""The transition scores of a CRF, which are not in a graph, by their names in the model."""


def is_exported(folder: Path) -> bool:
    """Whether a folder has ONNX graphs in place of weights."""
    return weight_file(folder) is None and any((folder / name).is_file() for name in GRAPHS.values())


def exported_files(folder: Path) -> list[str]:
    """The names of the files that loading an exported folder reads, besides those of every folder."""
    if not is_exported(folder):
        return [KEPT_WEIGHTS]
    graphs = [path.relative_to(folder).as_posix() for name in GRAPHS.values() for path in folder.glob(f"{name}*")]
    return [*graphs, KEPT_WEIGHTS, RECORD]


def has_kept_weights(folder: Path) -> bool:
    """Whether decoding reads the tensors next to the graphs instead of the weights."""
    return (folder / KEPT_WEIGHTS).exists() or is_exported(folder)


def open_kept_weights(folder: Path) -> Weights:
    """Open the tensors next to the graphs of an exported folder; there may be none."""
    return open_file(folder / KEPT_WEIGHTS)


def exported_graph(folder: Path, precision: str) -> tuple[Path, str]:
    """The graph of a folder, and its precision.

    Args:
        folder: The exported folder.
        precision: One of ``GRAPHS``, or ``auto`` for the first one that the folder has.

    Raises:
        CheckpointError: If the graph is not the file that was exported.
        EngineError: If the folder has no graph in this precision.
    """
    there = [name for name, file in GRAPHS.items() if (folder / file).is_file()]
    chosen = there[0] if precision == "auto" else precision
    if chosen not in there:
        raise EngineError(
            f"{folder}: has no graph in {precision}; found {', '.join(there)}. Choose one of these, or export again"
        )
    path, record = folder / GRAPHS[chosen], folder / RECORD
    if record.exists():
        entry = read_object(record).get("graphs", {}).get(chosen, {})
        if entry.get("sha256") != sha256_of(path):
            raise CheckpointError(f"{path}: not the file that was exported, by its checksum; export the model again")
    return path, chosen

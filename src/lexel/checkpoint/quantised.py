"""What ``lexel.json`` says of a quantised graph beside the weights, and whether that graph is of these weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.disk import sha256_of
from lexel.errors import CheckpointError

if TYPE_CHECKING:
    from lexel.checkpoint import Checkpoint

GRAPH = "openvino-int8.xml"
GRAPH_WEIGHTS = "openvino-int8.bin"
WEIGHTS = "model.safetensors"

_KEYS = {"weights_sha256", "graph_sha256", "outputs", "calibration", "cost", "kept", "method", "nncf"}


@dataclass(frozen=True, slots=True)
class Quantised:
    """A quantised graph, as ``lexel.json`` records it.

    Attributes:
        weights_sha256: Checksum of the weights it was made of.
        graph_sha256: Checksum of its own weights.
        outputs: What it computes: heads, and ``hidden.N``.
        record: The whole entry: calibration text, what it cost, which operations were kept, library version.
    """

    weights_sha256: str
    graph_sha256: str
    outputs: tuple[str, ...]
    record: Mapping[str, Any]


def read_quantised(entry: Any, where: str) -> Quantised | None:
    """The entry ``quantised`` of ``lexel.json``; ``None`` where there is none.

    Raises:
        CheckpointError: If it is not what ``lexel quantize`` writes.
    """
    if entry is None:
        return None
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        raise CheckpointError(f"{where}: expected an object with {', '.join(sorted(_KEYS))}; run lexel quantize again")
    return Quantised(str(entry["weights_sha256"]), str(entry["graph_sha256"]), tuple(entry["outputs"]), entry)


def quantised_graph(checkpoint: Checkpoint) -> Path:
    """The quantised graph of a checkpoint.

    Raises:
        CheckpointError: If there is none, or its files are not those that were written together.
    """
    folder, said = checkpoint.source.folder, checkpoint.quantised
    if said is None:
        raise CheckpointError(
            f"{folder}: has no int8 graph; expected what lexel quantize writes. Run it on this folder, "
            "or use another precision"
        )
    for name, expected in ((WEIGHTS, said.weights_sha256), (GRAPH_WEIGHTS, said.graph_sha256)):
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path}: is not there; expected it beside {GRAPH}. Run lexel quantize again")
        if sha256_of(path) != expected:
            raise CheckpointError(
                f"{path}: is not the file that {GRAPH} was made with, by its checksum. Run lexel quantize again"
            )
    return folder / GRAPH

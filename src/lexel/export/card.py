"""The card of an exported folder: the model's own card, and a section on every file and its loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lexel.checkpoint.exported import GRAPHS

CARD, HEADING = "README.md", "## Exported files"

_RUN_BY = {
    "float32": "ONNX Runtime, transformers.js, OpenVINO",
    "int8": "ONNX Runtime, transformers.js (`q8`)",
    "float16": "ONNX Runtime, transformers.js (`fp16`)",
    "torch": "transformers (PyTorch)",
    "bin": "transformers (PyTorch)",
    "pt2": "PyTorch, without transformers",
    "jax": "JAX, StableHLO",
    "tensorflow": "TensorFlow, TensorFlow Serving",
    "litert": "LiteRT",
    "openvino": "OpenVINO",
}


def write_card(source: Path, folder: Path, record: Mapping[str, Any]) -> None:
    """Write a card.

    Args:
        source: The model's folder.
        folder: The exported folder.
        record: The content of its ``export.json``.
    """
    own = source / CARD
    before = own.read_text(encoding="utf-8").partition(HEADING)[0].rstrip() if own.is_file() else f"# {record['model']}"
    (folder / CARD).write_text(f"{before}\n\n{export_section(record)}", encoding="utf-8")


def export_section(record: Mapping[str, Any]) -> str:
    """The section in Markdown."""
    head = f", head `{record['head']}`" if record["head"] else ""
    return "\n".join(
        [
            HEADING,
            "",
            f"Written by `lexel export` from `{record['model']}`{head}, and compared with it on the calibration text. "
            "Decisions are the best label of each piece, or for vectors one minus the cosine.",
            "",
            "| file | run by | size | largest difference | decisions of 1,000 that change | SHA-256 |",
            "|---|---|---:|---:|---:|---|",
            *_rows(record),
            "",
        ]
    )


def _rows(record: Mapping[str, Any]) -> Iterator[str]:
    for precision, graph in record["graphs"].items():
        yield _row(GRAPHS[precision], precision, graph, graph["sha256"])
    for name, entry in record["formats"].items():
        for file, checksum in entry["files"].items():
            yield _row(file, name, entry, checksum)


def _row(file: str, name: str, entry: Mapping[str, Any], checksum: str) -> str:
    size = f"{entry['bytes'] / 1e6:,.1f} MB"
    apart = f"{entry['largest']:.1g} of {entry['scale']:.3g}"
    return f"| `{file}` | {_RUN_BY[name]} | {size} | {apart} | {entry['changed']:.1f} | `{checksum}` |"

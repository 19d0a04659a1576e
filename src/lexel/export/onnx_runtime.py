"""ONNX Runtime's tools for smaller graphs."""

from __future__ import annotations

from pathlib import Path

import onnx

import lexel.engines.onnx_session  # noqa: F401 (turns telemetry off before the next import)

from onnxruntime.quantization import QuantType, quantize_dynamic  # isort: skip
from onnxruntime.transformers.float16 import convert_float_to_float16  # isort: skip


def quantise(graph: Path, to: Path, *, is_split: bool) -> None:
    """Write a graph with its weights in eight bits, with a scale for each channel.

    Args:
        graph: The graph in float32.
        to: The new file.
        is_split: Whether to write the weights to a separate file.
    """
    quantize_dynamic(graph, to, per_channel=True, weight_type=QuantType.QInt8, use_external_data_format=is_split)


def halve(graph: Path, to: Path, *, is_split: bool) -> None:
    """Write a graph that computes in float16; its inputs and outputs do not change. See ``quantise``."""
    model = convert_float_to_float16(onnx.load(graph), keep_io_types=True)
    onnx.save(model, to, save_as_external_data=is_split, location=f"{to.name}_data")

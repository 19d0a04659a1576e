"""ONNX Runtime without its telemetry.

Version 1.32 writes a device id into the home folder when it is imported, and may send usage data, unless a variable is
set before. So Lexel imports it here alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic


def open_session(graph: Path) -> Any:
    """A graph ready to run on the processor."""
    return onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])


def quantise(graph: Path, to: Path, *, is_split: bool) -> None:
    """Write a graph with its weights in eight bits, with a scale for each channel.

    Args:
        graph: The graph in float32.
        to: The new file.
        is_split: Whether its weights are to lie in a file of their own.
    """
    quantize_dynamic(graph, to, per_channel=True, weight_type=QuantType.QInt8, use_external_data_format=is_split)

"""ONNX Runtime without its telemetry.

Version 1.32 writes a device id into the home folder on import, and may send usage data, unless a variable is set
before. So Lexel imports it through this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

SILENT = 3
"""The level of errors: otherwise ONNX Runtime logs its optimisations of a graph."""


def open_session(graph: Path | bytes, *, threads: int | None = None) -> Any:
    """Prepare a graph to run on the CPU.

    Args:
        graph: The file, or its content.
        threads: Threads for each run; by default ONNX Runtime's own choice.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    if threads is not None:
        options.intra_op_num_threads = threads
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

"""Runs a LiteRT model, with LiteRT if it is installed, else with TensorFlow's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lexel.export.parity import Run

LITERT = "litert/model.tflite"


def run_litert(folder: Path) -> Run:
    """A runner for the exported LiteRT model."""
    interpreter = _interpreter(folder / LITERT)
    signature = next(iter(interpreter.get_signature_list()))

    def run(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        runner = interpreter.get_signature_runner(signature)
        return dict(runner(**given))

    return run


def _interpreter(path: Path) -> Any:
    if find_spec("ai_edge_litert") is not None:
        from ai_edge_litert.interpreter import Interpreter
    else:
        from tensorflow.lite import Interpreter
    return Interpreter(str(path))

"""Estimates the peak memory of a process from the shapes in the headers.

Measured on Linux with the engine OpenVINO on two threads, in processes that load a model and tag texts. The peak
consists of Python and the libraries, the weights of products in the file's layout and in the engine's, the used parts
of the embedding tables, memory for batches, which grows with the width of the model, and in eight bits the kernels that
the engine makes for each layer. Rows of thousands of slots take more, and with local attention a second graph.
``tests/trust/test_memory.py`` measures it again, on other shapes than those used for the estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lexel.checkpoint.remote import TensorShape
from lexel.encoder.family import ModelConfig

MIB = 2**20

LIBRARIES = 69 * MIB
"""The part of every figure that is pages of the libraries' files. Processes share them; how many count depends on the
system's file cache (measured: 69 and 99 MiB, with all other memory the same)."""


class _Costs(NamedTuple):
    """Bytes of a process without a model, per parameter of products and tables, per unit of width and per layer."""

    process: float
    products: float
    tables: float
    width: float = 0.0
    layer: float = 0.0


_COSTS: Mapping[str, _Costs] = {
    "float32": _Costs(134.0 * MIB, products=7.61, tables=3.19),
    "bf16": _Costs(133.6 * MIB, products=5.92, tables=0.0, width=0.048 * MIB),
    "int8": _Costs(145.0 * MIB, products=2.0, tables=1.0, layer=4.5 * MIB),
}


def estimate_memory(config: ModelConfig, tensors: Mapping[str, TensorShape]) -> dict[str, int]:
    """Peak memory of a process in bytes, by precision; ``int8`` after ``lexel quantize``."""
    tables = sum(tensor.n_numbers for tensor in tensors.values() if tensor.shape[:1] == (config.vocab_size,))
    products = sum(tensor.n_numbers for tensor in tensors.values()) - tables
    return {
        precision: int(
            costs.process
            + costs.products * products
            + costs.tables * tables
            + costs.width * config.hidden_size
            + costs.layer * config.n_layers
        )
        for precision, costs in _COSTS.items()
    }

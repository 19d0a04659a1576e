"""How much memory a process needs at most, from the shapes in the headers.

Measured on Linux with the engine OpenVINO on two threads: a process that loads a model and tags texts. Its peak is what
Python and the libraries take, the weights as the file has them, which are looked at once, and the products' weights
again as the engine lays them out. Tables of pieces are not laid out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lexel.checkpoint.remote import TensorShape
from lexel.encoder.family import ModelConfig

MIB = 2**20


class _Costs(NamedTuple):
    """Bytes for each number of the products and of the tables, and what a process takes beside them."""

    products: float
    tables: float
    process: float


_COSTS: Mapping[str, _Costs] = {
    "float32": _Costs(products=8.0, tables=4.0, process=130.0 * MIB),
    "bf16": _Costs(products=6.0, tables=4.0, process=120.0 * MIB),
    "int8": _Costs(products=5.0, tables=4.0, process=130.0 * MIB),
}


def estimate_memory(config: ModelConfig, tensors: Mapping[str, TensorShape]) -> dict[str, int]:
    """Bytes that a process needs at most, by precision; ``int8`` after ``lexel quantize``."""
    tables = sum(tensor.n_numbers for tensor in tensors.values() if tensor.shape[:1] == (config.vocab_size,))
    products = sum(tensor.n_numbers for tensor in tensors.values()) - tables
    return {
        precision: int(costs.process + costs.products * products + costs.tables * tables)
        for precision, costs in _COSTS.items()
    }

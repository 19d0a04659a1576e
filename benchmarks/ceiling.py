"""What this machine's bf16 matrix product can do at best, and how much work an encoder's pieces are.

The ceiling is the best of five of a product whose weight lies ready in the library's own layout, at 1,024 rows,
weighted over the three shapes that a BERT layer has. Two libraries are asked, and the faster one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import now
from benchmarks.models import Shape

ROWS = 1024
BEST_OF = 5
Product = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The rate of the product, and who computed it."""

    flop_per_s: float
    library: str


class CeilingMeter:
    """Measures the ceiling again and again; the products are prepared once.

    Args:
        threads: Threads of a product.
        repeats: Products computed in one go.
    """

    def __init__(self, *, threads: int, repeats: int) -> None:
        self._repeats = repeats
        self._products = {
            name: [(inputs, outputs, share, prepare(inputs, outputs, threads)) for inputs, outputs, share in SHAPES]
            for name, prepare in LIBRARIES.items()
        }

    def measure(self) -> Ceiling:
        """The ceiling of now."""
        rates = {name: self._rate(name) for name in self._products}
        library = max(rates, key=rates.__getitem__)
        return Ceiling(rates[library], library)

    def _rate(self, name: str) -> float:
        seconds = flop = 0.0
        for inputs, outputs, share, product in self._products[name]:
            seconds += share * _best_seconds(product, self._repeats)
            flop += share * 2 * ROWS * inputs * outputs
        return flop / seconds


SHAPES = ((768, 768, 4), (768, 3072, 1), (3072, 768, 1))
"""Inputs, outputs, and how often the product occurs in a layer of BERT-base."""


def _openvino_product(inputs: int, outputs: int, threads: int) -> Product:
    """A graph of one product with a constant weight, which OpenVINO packs when it compiles."""
    import openvino as ov
    from openvino import opset13 as op

    rows = op.parameter([ROWS, inputs], ov.Type.bf16)
    weight = op.convert(op.constant(_random(outputs, inputs)), "bf16")
    graph = ov.Model([op.matmul(rows, weight, False, True)], [rows])
    options = {"INFERENCE_PRECISION_HINT": ov.Type.bf16, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    request = ov.Core().compile_model(graph, "CPU", options).create_infer_request()
    values = ov.Tensor(ov.Type.bf16, [ROWS, inputs])
    values.data.view(np.uint16)[:] = _random(ROWS, inputs).view(np.uint32) >> 16  # bf16 is float32's upper half
    request.set_input_tensor(values)
    return request.infer


def _torch_product(inputs: int, outputs: int, threads: int) -> Product:
    """oneDNN's product through torch, with the weight in the layout that oneDNN chose for these rows."""
    import torch

    torch.set_num_threads(threads)
    weight = torch.from_numpy(_random(outputs, inputs)).bfloat16()
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    rows = torch.from_numpy(_random(ROWS, inputs)).bfloat16()
    return lambda: torch.ops.mkldnn._linear_pointwise(rows, packed, None, "none", [], "")


LIBRARIES = {"OpenVINO": _openvino_product, "torch": _torch_product}


def _random(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _best_seconds(product: Product, repeats: int) -> float:
    """The best time of one product; one more, unmeasured, comes first."""
    product()
    best = float("inf")
    for _ in range(BEST_OF):
        begin = now()
        for _ in range(repeats):
            product()
        best = min(best, (now() - begin) / repeats)
    return best


def useful_flop(shape: Shape, lengths: Iterable[int]) -> float:
    """Operations that sequences need, each at its own length; nothing for padding.

    Four products of hidden by hidden and two of hidden by intermediate for each piece, and each piece's scores and
    mixture over its own sequence.
    """
    lengths = tuple(lengths)
    squares = sum(length * length for length in lengths)
    return dense_flop(shape, lengths) + float(shape.n_layers * 4 * shape.hidden_size * squares)


def dense_flop(shape: Shape, lengths: Iterable[int]) -> float:
    """The part of ``useful_flop`` that is products with weights."""
    hidden = shape.hidden_size
    return float(shape.n_layers * 2 * (4 * hidden * hidden + 2 * hidden * shape.intermediate_size) * sum(lengths))

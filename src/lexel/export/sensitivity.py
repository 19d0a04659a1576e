"""Measures which products of a quantised graph cause the largest errors.

``FakeQuantize`` nodes before a product quantise its activations. Without these nodes, the graph computes that product
in full precision; the sensitivity of the product is how much closer the outputs then are to those of the original
graph. NNCF's own search (``quantize_with_accuracy_control``) is not used: for a model of four layers with smooth
quantisation, it took minutes, and its graph changed 287 of 1,000 words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from lexel.engines.base import Rows
from lexel.engines.openvino import inputs_of

_BATCHES = 4
"""Number of batches for the ranking."""

_BETWEEN = ("Reshape", "Transpose")
"""Nodes that may be between a quantiser and its product."""


def rank_products(graph: Any, full: Any, batches: Sequence[Rows]) -> list[tuple[str, ...]]:
    """Names of the products that share quantisers, the most sensitive first.

    Args:
        graph: The quantised graph; it is not changed.
        full: The original graph.
        batches: The inputs for both.
    """
    batches = batches[:: max(1, len(batches) // _BATCHES)][:_BATCHES]
    expected = _outputs(full, batches)
    errors = {}
    for names, quantisers in _quantisers(graph).items():
        targets = [(node, list(node.output(0).get_target_inputs())) for node in quantisers]
        for node, inputs in targets:
            for each in inputs:
                each.replace_source_output(node.input_value(0))
        errors[names] = _error(_outputs(graph, batches), expected)
        for node, inputs in targets:
            for each in inputs:
                each.replace_source_output(node.output(0))
    return sorted(errors, key=lambda names: errors[names])


def _name(node: Any) -> str | None:
    return str(node.get_friendly_name()) if node.get_type_name() == "MatMul" else None


def _quantisers(graph: Any) -> Mapping[tuple[str, ...], list[Any]]:
    """The quantisers before each product, or before several that share one, by the products' names."""
    found: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            names = tuple(sorted(_products_behind(node)))
            if names:
                found[names].append(node)
    return found


def _products_behind(node: Any) -> Iterator[str]:
    for target in node.output(0).get_target_inputs():
        after = target.get_node()
        name = _name(after)
        if name is not None:
            yield name
        elif after.get_type_name() in _BETWEEN:
            yield from _products_behind(after)


def _outputs(graph: Any, batches: Sequence[Rows]) -> list[NDArray[Any]]:
    """The outputs of a graph for some batches, one array for each output of each batch."""
    options = {"INFERENCE_PRECISION_HINT": ov.Type.f32}
    request = ov.Core().compile_model(graph, "CPU", options).create_infer_request()
    found = []
    for rows in batches:
        request.infer(inputs_of(rows))
        found += [tensor.data[: len(rows.picks)].copy() for tensor in request.output_tensors]
    return found


def _error(found: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> float:
    """The mean of the outputs' squared errors, each relative to the size of the output."""
    pairs = zip(found, expected, strict=True)
    return float(np.mean([np.square(a - b).mean() / max(np.square(b).mean(), 1e-12) for a, b in pairs]))

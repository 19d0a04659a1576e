"""int8: a checkpoint's graph with its products in eight bits, calibrated on text, and what that costs.

NNCF puts the quantisers in (smooth quantisation for transformers); the rest of the graph stays in bf16 or float32. The
result is a folder like any other, with the graph beside the weights. What it costs is measured, not assumed: if the
scores drop by more than is allowed, the operations to which they are most sensitive are taken back, by
measurement, and if that does not help nothing is written.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino as ov

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.folder import copy_description, new_folder
from lexel.checkpoint.heads import describe_heads
from lexel.checkpoint.quantised import GRAPH, GRAPH_WEIGHTS, WEIGHTS
from lexel.disk import sha256_of, write_json
from lexel.document import Document
from lexel.engines.base import Rows, Scores
from lexel.engines.choose import is_int8_native, processor_flags
from lexel.engines.openvino import BuiltGraphs, inputs_of
from lexel.errors import CheckpointError, DataError, EngineError, MissingExtra
from lexel.export.cost import Cost, Scorer, outputs_of
from lexel.tasks.base import Flow, gather_blocks

CALIBRATION_BATCHES = 24
"""Most batches of packed rows that calibration looks at; ranges hardly move with more."""

_PICKS = 128
"""Picks of a batch that calibration looks at; the heads are small beside the encoder."""

_MOST_UNKNOWN = 0.2

Method = Literal["static", "dynamic"]


@dataclass(frozen=True, slots=True)
class QuantizeOptions:
    """How to quantise.

    Attributes:
        max_drop: Most points of F1 that a layer may lose, on gold documents.
        max_flips: Without gold documents: most decisions of a thousand that may come out otherwise.
        method: ``static`` with calibration text, or ``dynamic``: weights in advance, the rest while computing.
    """

    max_drop: float = 0.2
    max_flips: float = 30.0
    method: Method = "static"


def quantize(
    checkpoint: Checkpoint,
    out: Path,
    *,
    calibration: Sequence[str],
    gold: Sequence[Document] = (),
    options: QuantizeOptions | None = None,
) -> Cost:
    """Write a model folder with a quantised graph.

    Args:
        checkpoint: The model.
        out: The new folder; it must not exist.
        calibration: Text like that which the model is to read: a few hundred sentences. It gives the ranges of the
            activations, and with ``dynamic`` only serves to compare.
        gold: Labelled documents to measure the cost on; without any, decisions are compared on the text.
        options: How to quantise.

    Raises:
        MissingExtra: If NNCF is not installed.
        EngineError: If this processor has no int8 products, or the model lost more than is allowed.
        DataError: If the calibration text is empty, or of a script that the model does not read.
        CheckpointError: If ``out`` exists.
    """
    options = options or QuantizeOptions()
    nncf = _nncf()
    if not is_int8_native(processor_flags()):
        raise EngineError("this processor has no int8 products; quantise on one that has (VNNI, AMX, or Arm's dotprod)")
    checkpoint = replace(checkpoint, quantised=None)  # a graph that it may have is made anew
    batches = _calibration_batches(checkpoint, calibration)
    scorer = Scorer(checkpoint, gold, texts=calibration)
    graph = BuiltGraphs(checkpoint, None).graph(outputs_of(checkpoint))
    with new_folder(out) as folder:
        _copy_model(checkpoint, folder)
        made = _Quantised(checkpoint, _quantise(nncf, graph, batches, options.method), options.method, calibration)
        cost = _write(folder, made, scorer)
        if not cost.is_within(options.max_drop, options.max_flips) and options.method == "static":
            controlled = _with_accuracy_control(nncf, graph, batches, scorer, options)
            made = replace(made, graph=controlled, kept=_full_precision_products(controlled))
            cost = _write(folder, made, scorer)
        if not cost.is_within(options.max_drop, options.max_flips):
            raise EngineError(
                f"{checkpoint.source.folder}: int8 costs {cost.in_words()}; expected {options.max_drop:g} points or "
                f"{options.max_flips:g} flips at most. Nothing was written; calibrate on text of the kind that the "
                "model reads, or allow more with --max-drop"
            )
    return cost


def sample_text() -> list[str]:
    """Some hundred sentences in eight languages, for those who give no calibration text."""
    path = Path(__file__).with_name("calibration.txt")
    return path.read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True, slots=True)
class _Quantised:
    """A quantised graph and how it came to be."""

    checkpoint: Checkpoint
    graph: Any
    method: Method
    calibration: Sequence[str]
    kept: Sequence[str] = ()


def _nncf() -> Any:
    try:
        import nncf
    except ModuleNotFoundError as error:
        if error.name != "nncf":
            raise
        raise MissingExtra('lexel quantize needs NNCF: pip install "lexel[quantize]"') from error
    nncf.set_log_level(logging.ERROR)
    return nncf


# Calibration ---------------------------------------------------------------------------------------------------------


class _Recorder:
    """An engine that computes nothing and keeps what it was given."""

    name, precision, device, threads = "recorder", "float32", "none", 1

    def __init__(self) -> None:
        self.batches: list[Rows] = []

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        self.batches.extend(batches)
        return iter(())


def _calibration_batches(checkpoint: Checkpoint, texts: Sequence[str]) -> list[Rows]:
    """Packed rows of the calibration text."""
    recorder = _Recorder()
    flow = Flow("calibration", checkpoint, recorder, outputs=outputs_of(checkpoint)[-1:])
    for _ in flow.read(gather_blocks(texts)):
        pass
    if not recorder.batches:
        raise DataError("calibration: the text is empty; expected a few hundred sentences like those to be read")
    unknown = flow.tokenizer.special.unk
    ids = np.concatenate([rows.piece_ids[rows.sequence_ids > 0] for rows in recorder.batches])
    share = 0.0 if unknown is None else float(np.mean(ids == unknown))
    if share > _MOST_UNKNOWN:
        raise DataError(
            f"calibration: {share:.0%} of its pieces are unknown to the model; expected text of a script that it "
            "reads. Give other text"
        )
    every = -(-len(recorder.batches) // CALIBRATION_BATCHES)
    return [replace(rows, picks=rows.picks[:_PICKS]) for rows in recorder.batches[::every]]


# Quantising ----------------------------------------------------------------------------------------------------------


def _quantise(nncf: Any, graph: Any, batches: Sequence[Rows], method: Method) -> Any:
    if method == "dynamic":
        return nncf.compress_weights(graph.clone(), mode=nncf.CompressWeightsMode.INT8_SYM)
    return nncf.quantize(
        graph.clone(),
        nncf.Dataset(batches, inputs_of),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
    )


def _with_accuracy_control(
    nncf: Any, graph: Any, batches: Sequence[Rows], scorer: Scorer, options: QuantizeOptions
) -> Any:
    """Quantise, and take back what the scores are most sensitive to until the loss is allowed."""
    return nncf.quantize_with_accuracy_control(
        graph.clone(),
        calibration_dataset=nncf.Dataset(batches, inputs_of),
        validation_dataset=nncf.Dataset([None]),
        validation_fn=lambda compiled, _: (scorer.worst(compiled), None),
        max_drop=options.max_drop / 100 if scorer.has_gold else options.max_flips / 1000,
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(batches),
    )


def _full_precision_products(graph: Any) -> list[str]:
    """Names of the products whose inputs are not quantised."""
    return [
        node.get_friendly_name()
        for node in graph.get_ops()
        if node.get_type_name() == "MatMul"
        and not any(value.get_node().get_type_name() == "FakeQuantize" for value in node.input_values())
    ]


# Writing -------------------------------------------------------------------------------------------------------------


def _copy_model(checkpoint: Checkpoint, folder: Path) -> None:
    source = checkpoint.source.folder / WEIGHTS
    if not source.is_file():
        raise CheckpointError(f"{checkpoint.source.folder}: no {WEIGHTS}; run lexel convert first")
    copy_description(checkpoint.source.folder, folder)
    shutil.copyfile(source, folder / WEIGHTS)


def _write(folder: Path, quantised: _Quantised, scorer: Scorer) -> Cost:
    """Write graph and record, and measure what was written."""
    ov.save_model(quantised.graph, folder / GRAPH, compress_to_fp16=False)
    _write_record(folder, quantised, cost=None)
    cost = scorer.cost(folder)
    _write_record(folder, quantised, cost=cost)
    return cost


def _write_record(folder: Path, quantised: _Quantised, *, cost: Cost | None) -> None:
    """Add the entry ``quantised`` to the folder's ``lexel.json``."""
    text = "\n".join(quantised.calibration)
    entry = {
        "weights_sha256": sha256_of(folder / WEIGHTS),
        "graph_sha256": sha256_of(folder / GRAPH_WEIGHTS),
        "outputs": list(outputs_of(quantised.checkpoint)),
        "calibration": {
            "texts": len(quantised.calibration),
            "chars": len(text),
            "sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        },
        "cost": None if cost is None else cost.record(),
        "kept": list(quantised.kept),
        "method": quantised.method,
        "nncf": version("nncf"),
    }
    description = describe_heads(quantised.checkpoint) | {"quantised": entry}
    write_json(folder / "lexel.json", description)

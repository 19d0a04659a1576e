"""Quantises a checkpoint to int8: matrix products in eight bits, calibrated on text, with a measured loss.

NNCF inserts the quantisers (smooth quantisation for transformers); the rest of the graph stays in bf16 or float32. The
result is an ordinary model folder with the graph next to the weights. The loss is measured: if the scores drop by more
than is allowed, the most sensitive products stay in full precision, and if that does not help, nothing is written.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import openvino as ov

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.folder import copy_description, new_folder
from lexel.checkpoint.heads import describe_heads
from lexel.checkpoint.quantised import GRAPH, GRAPH_WEIGHTS, WEIGHTS
from lexel.disk import sha256_of, write_json
from lexel.document import Document
from lexel.engines.choose import is_int8_native, processor_flags
from lexel.engines.openvino import BuiltGraphs, inputs_of
from lexel.errors import CheckpointError, EngineError, MissingExtra
from lexel.evaluation.cost.cost import Cost, Loss
from lexel.evaluation.cost.quantised import Scorer, outputs_of
from lexel.export.calibration import calibration_batches, read_calibration
from lexel.export.sensitivity import rank_products
from lexel.provenance import Material, Step, base_material, write_provenance

_MOST_KEPT = 0.5
"""Share of the quantised products that may stay in full precision; with more, int8 is not faster."""

_logger = logging.getLogger("lexel")

Method = Literal["static", "dynamic"]


@dataclass(frozen=True, slots=True)
class QuantizeOptions:
    """Options of quantisation.

    Attributes:
        max_drop: With gold documents: maximum loss of F1 per layer, in points.
        max_flips: Without gold documents: maximum number of changed decisions per thousand.
        method: ``static`` with calibration text, or ``dynamic``: weights in advance, activations at run time.
    """

    max_drop: float = 0.2
    max_flips: float = 30.0
    method: Method = "static"


def quantize(
    checkpoint: Checkpoint,
    out: Path,
    *,
    calibration: Sequence[str] | None = None,
    gold: Sequence[Document] = (),
    options: QuantizeOptions | None = None,
) -> Cost:
    """Write a model folder with a quantised graph.

    Args:
        checkpoint: The model.
        out: The new folder; it must not exist.
        calibration: A few hundred sentences of the kind that the model will read. They give the ranges of the
            activations; with ``dynamic``, they are only used for the comparison. By default, the part of a sample in
            eight languages that the model can read.
        gold: Labelled documents to measure the loss on; without them, decisions are compared on the text.
        options: Options of quantisation.

    Raises:
        MissingExtra: If NNCF is not installed.
        EngineError: If this processor has no int8 instructions, or the loss is larger than allowed.
        DataError: If the calibration text is empty, or in a script that the model does not read.
        CheckpointError: If ``out`` exists.
    """
    options = options or QuantizeOptions()
    nncf = _nncf()
    if not is_int8_native(processor_flags()):
        raise EngineError("this processor has no int8 products; quantise on one that has (VNNI, AMX, or Arm's dotprod)")
    checkpoint = replace(checkpoint, quantised=None)  # an existing graph is made again
    texts = read_calibration(checkpoint, calibration, is_needed=options.method == "static")
    with new_folder(out) as folder:
        _copy_model(checkpoint, folder)
        return _Quantising(nncf, checkpoint, folder, texts=texts, gold=gold, options=options).run()


class _Quantising:
    """Quantises one checkpoint into a folder."""

    def __init__(
        self,
        nncf: Any,
        checkpoint: Checkpoint,
        folder: Path,
        *,
        texts: Sequence[str],
        gold: Sequence[Document],
        options: QuantizeOptions,
    ) -> None:
        self._nncf, self._checkpoint, self._folder = nncf, checkpoint, folder
        self._texts, self._options = texts, options
        self._batches = calibration_batches(checkpoint, texts)
        self._scorer = Scorer(checkpoint, gold, texts=texts)
        self._full = BuiltGraphs(checkpoint, None).graph(outputs_of(checkpoint))

    def run(self) -> Cost:
        """Write a graph whose loss is within the budget.

        Raises:
            EngineError: If there is none.
        """
        graph = self._graph(keep=())
        loss = self._write(graph)
        if not self._is_allowed(loss) and self._options.method == "static":
            loss = self._with_sensitive_products(graph, loss)
        if not self._is_allowed(loss):
            raise EngineError(
                f"{self._checkpoint.source.folder}: int8 costs {loss.in_words()}; expected {self._budget(loss)} at "
                "most. Nothing was written; calibrate on text of the kind that the model reads, or allow more"
            )
        cost = self._scorer.cost(self._folder, loss)
        self._record(cost)
        self._write_provenance()
        return cost

    def _is_allowed(self, loss: Loss) -> bool:
        return loss.is_within(self._options.max_drop, self._options.max_flips)

    def _budget(self, loss: Loss) -> str:
        if loss.layers:
            return f"{self._options.max_drop:g} points (--max-drop)"
        return f"{self._options.max_flips:g} (--max-flips)"

    def _with_sensitive_products(self, graph: Any, loss: Loss) -> Loss:
        """Keep the most sensitive products in full precision: one, two, four ... until the loss is allowed."""
        ranked = rank_products(graph, self._full, self._batches)
        n_kept = 1
        while not self._is_allowed(loss) and n_kept <= len(ranked) * _MOST_KEPT:
            _logger.info("int8 costs %s: %d of %d products are kept", loss.in_words(), n_kept, len(ranked))
            keep = [name for names in ranked[:n_kept] for name in names]
            loss = self._write(self._graph(keep=keep), kept=keep)
            n_kept *= 2
        return loss

    def _graph(self, *, keep: Sequence[str]) -> Any:
        """The graph with its products in int8, except the kept ones."""
        nncf = self._nncf
        with redirect_stdout(StringIO()):  # NNCF draws its progress there
            if self._options.method == "dynamic":
                return nncf.compress_weights(self._full.clone(), mode=nncf.CompressWeightsMode.INT8_SYM)
            return nncf.quantize(
                self._full.clone(),
                nncf.Dataset(self._batches, inputs_of),
                model_type=nncf.ModelType.TRANSFORMER,
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(self._batches),
                ignored_scope=nncf.IgnoredScope(names=list(keep)),
            )

    def _write(self, graph: Any, *, kept: Sequence[str] = ()) -> Loss:
        """Write a graph, and measure its loss."""
        _save_graph(graph, self._folder / GRAPH)
        self._kept = kept
        self._record(None)
        return self._scorer.loss(self._folder)

    def _record(self, cost: Cost | None) -> None:
        """Add the entry ``quantised`` to the folder's ``lexel.json``."""
        text = "\n".join(self._texts)
        entry = {
            "weights_sha256": sha256_of(self._folder / WEIGHTS),
            "graph_sha256": sha256_of(self._folder / GRAPH_WEIGHTS),
            "xml_sha256": sha256_of(self._folder / GRAPH),
            "outputs": list(outputs_of(self._checkpoint)),
            "calibration": {
                "texts": len(self._texts),
                "chars": len(text),
                "sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            },
            "cost": None if cost is None else cost.record(),
            "kept": list(self._kept),
            "method": self._options.method,
            "nncf": version("nncf"),
        }
        write_json(self._folder / "lexel.json", describe_heads(self._checkpoint) | {"quantised": entry})

    def _write_provenance(self) -> None:
        """The materials: the model, and the calibration text."""
        text = "\n".join(self._texts)
        checksum = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        calibration = [Material("data", "calibration", {"calibration": checksum})] if self._texts else []
        materials = [base_material(self._checkpoint), *calibration]
        write_provenance(self._folder, Step("quantize", asdict(self._options), materials))


def _save_graph(graph: Any, path: Path) -> None:
    """Write a graph.

    Raises:
        OSError: If the disk refuses; OpenVINO raises only its own error type.
    """
    try:
        ov.save_model(graph, path, compress_to_fp16=False)
    except RuntimeError as cause:
        said = " ".join(str(cause).split())[:200]
        raise OSError(errno.EIO, f"{path.name} cannot be written, the disk may be full: {said}") from cause


def _copy_model(checkpoint: Checkpoint, folder: Path) -> None:
    source = checkpoint.source.folder / WEIGHTS
    if not source.is_file():
        raise CheckpointError(f"{checkpoint.source.folder}: no {WEIGHTS}; run lexel convert first")
    copy_description(checkpoint.source.folder, folder)
    shutil.copyfile(source, folder / WEIGHTS)


def _nncf() -> Any:
    try:
        import nncf
    except ModuleNotFoundError as error:
        if error.name != "nncf":
            raise
        raise MissingExtra('lexel quantize needs NNCF: pip install "lexel[quantize]"') from error
    nncf.set_log_level(logging.ERROR)
    return nncf

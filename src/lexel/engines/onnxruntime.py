"""The engine for machines without OpenVINO, and for folders that ``lexel export`` wrote.

A model folder becomes an ONNX graph in memory that reads packed rows, as with OpenVINO. An exported folder already has
its graph. That graph reads one sequence per row, so packed rows are unpacked first.

Each worker thread runs a batch on one core, which is faster than one batch on all cores.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.exported import exported_graph, is_exported
from lexel.encoder.layers import Inputs
from lexel.engines.base import BATCH_PIECES, Rows, Scores, failure, run_ahead
from lexel.engines.model import build_model
from lexel.engines.onnx_ops import OPSET, OnnxOps, named
from lexel.engines.onnx_session import open_session
from lexel.errors import EngineError

IR_VERSION = 8
"""Version of the file format; every runtime that reads ``OPSET`` reads it."""

MOST_IN_FILE = 2**31 - 2**24
"""Larger weights go into a separate file, because an ONNX file is limited to 2 GB."""

_INPUTS = ("piece_ids", "position_ids", "type_ids", "sequence_ids")
_PER_WORKER = 2

Compute = Callable[[Rows], Scores]


class OnnxRuntimeEngine:
    """Computes on this machine's CPU.

    Args:
        checkpoint: The model.
        precision: ``float32``, or for an exported folder ``int8`` or ``auto``.
        threads: Number of batches computed in parallel, each on one core.
        heads: The heads to load; by default all of them.
    """

    name = "onnxruntime"
    device = "CPU"
    batch_pieces = BATCH_PIECES

    def __init__(
        self, checkpoint: Checkpoint, *, precision: str, threads: int, heads: Collection[str] | None = None
    ) -> None:
        self.threads = threads
        self._graphs: _BuiltGraphs | _ExportedGraph
        if is_exported(checkpoint.source.folder):
            self._graphs = _ExportedGraph(checkpoint, precision)
        else:
            self._graphs = _BuiltGraphs(checkpoint, precision, heads)
        self.precision: str = self._graphs.precision
        self._pool = ThreadPoolExecutor(threads, "lexel-onnxruntime")
        self._ready: dict[tuple[str, ...], Compute] = {}
        self._lock = Lock()

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """See ``lexel.engines.base.Engine.submit``."""
        return self._pool.submit(self._compute, rows, tuple(outputs))

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        return run_ahead(lambda rows: self.submit(rows, outputs), batches, in_flight=self.threads * _PER_WORKER)

    def _compute(self, rows: Rows, outputs: tuple[str, ...]) -> Scores:
        try:
            with self._lock:
                if outputs not in self._ready:
                    self._ready[outputs] = self._graphs.prepared(outputs)
            return self._ready[outputs](rows)
        except Exception as error:
            raise failure(self.name, rows, error) from error


class _BuiltGraphs:
    """Graphs built from a checkpoint's tensors, which read packed rows."""

    def __init__(self, checkpoint: Checkpoint, precision: str, heads: Collection[str] | None) -> None:
        if precision not in ("auto", "float32"):
            raise EngineError(f"onnxruntime: precision {precision!r}; expected float32, or int8 for an exported folder")
        self.precision = "float32"
        self._checkpoint = checkpoint
        build_model(OnnxOps(is_packed=True), checkpoint, heads)  # reports missing tensors now

    def prepared(self, outputs: Sequence[str]) -> Compute:
        """The session that computes these outputs."""
        session = _session_of(_build_graph(self._checkpoint, outputs))

        def compute(rows: Rows) -> Scores:
            given = {name: getattr(rows, name) for name in (*_INPUTS, "picks")}
            names = [value.name for value in session.get_inputs()]
            return dict(zip(outputs, session.run(None, {name: given[name] for name in names}), strict=True))

        return compute


def _build_graph(checkpoint: Checkpoint, outputs: Sequence[str]) -> Any:
    ops = OnnxOps(is_packed=True)
    rows = [_input(name, ["rows", "length"]) for name in _INPUTS]
    picks = _input("picks", ["picks"])
    results = build_model(ops, checkpoint, outputs)(Inputs(*rows), picks, outputs)
    found = [
        named(ops.node("Identity", result), name, ["picks", None])
        for name, result in zip(outputs, results, strict=True)
    ]
    used = {value.name for node in ops.nodes for value in node.inputs}
    inputs = [value for value in (*rows, picks) if value.name in used]
    graph = ir.Graph(
        inputs, found, nodes=ops.nodes, initializers=ops.initializers, opset_imports={"": OPSET}, name="lexel"
    )
    return ir.Model(graph, ir_version=IR_VERSION)


def _input(name: str, shape: list[str]) -> Any:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.INT32))


def _session_of(model: Any) -> Any:
    """A session of a graph in memory, through a file if it is too large for a message."""
    if sum(value.const_value.nbytes for value in model.graph.initializers.values()) <= MOST_IN_FILE:
        return open_session(ir.to_proto(model).SerializeToString(), threads=1)
    with TemporaryDirectory(prefix="lexel-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "model.onnx"
        ir.save(model, path, external_data="model.onnx_data")
        return open_session(path, threads=1)


class _Unpacked(NamedTuple):
    """Packed rows with one sequence per row, and the new positions of the picks."""

    inputs: dict[str, NDArray[np.int64]]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


class _ExportedGraph:
    """The graph of an exported folder, which reads one sequence per row."""

    def __init__(self, checkpoint: Checkpoint, precision: str) -> None:
        self._path, self.precision = exported_graph(checkpoint.source.folder, precision)
        self._checkpoint = checkpoint
        self._session = open_session(self._path, threads=1)
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def prepared(self, outputs: Sequence[str]) -> Compute:
        """The session that computes these outputs."""
        wanted = {output: self._names_of(output) for output in outputs}
        asked = sorted({name for names in wanted.values() for name in names})

        def compute(rows: Rows) -> Scores:
            unpacked = _unpack(rows, pad=self._checkpoint.config.pad_id)
            given = {name: unpacked.inputs[name] for name in self._inputs}
            arrays = dict(zip(asked, self._session.run(asked, given), strict=True))
            picked = {
                name: array[unpacked.rows, unpacked.columns] if self._is_by_piece(name) else array[unpacked.rows]
                for name, array in arrays.items()
            }
            return {
                output: np.stack([picked[name] for name in names], axis=-1) if len(names) > 1 else picked[names[0]]
                for output, names in wanted.items()
            }

        return compute

    def _names_of(self, output: str) -> tuple[str, ...]:
        """The graph's outputs that hold one of Lexel's."""
        config, heads = self._checkpoint.config, self._checkpoint.heads
        names: tuple[str, ...] = (output,)
        if output == f"hidden.{config.n_layers}":
            names = ("last_hidden_state",)
        elif output in heads and output not in self._outputs:
            names = ("start_logits", "end_logits") if heads[output].task == "answer" else ("logits",)
        if missing := [name for name in names if name not in self._outputs]:
            raise EngineError(
                f"{self._path}: has no output {missing[0]!r} for {output}; found {', '.join(self._outputs)}. "
                "Load the model that it was exported from"
            )
        return names

    def _is_by_piece(self, name: str) -> bool:
        """Whether an output has a value for each piece, by its axes: a classifier's has two, ``[rows, classes]``."""
        axes = next(value.shape for value in self._session.get_outputs() if value.name == name)
        return len(axes) == 3 or name in ("start_logits", "end_logits")


def _unpack(rows: Rows, *, pad: int) -> _Unpacked:
    """Put each sequence of packed rows into a separate row."""
    is_used = (rows.sequence_ids > 0).ravel()
    positions = rows.position_ids.ravel().astype(np.int64)
    sequences = np.cumsum(is_used & (positions == 0)) - 1
    shape = int(sequences[-1]) + 1, int(positions[is_used].max(initial=0)) + 1
    places = sequences[is_used], positions[is_used]

    def spread(values: NDArray[Any], empty: int) -> NDArray[np.int64]:
        found = np.full(shape, empty, np.int64)
        found[places] = values.ravel()[is_used]
        return found

    inputs = {
        "input_ids": spread(rows.piece_ids, pad),
        "attention_mask": spread(rows.sequence_ids > 0, 0),
        "token_type_ids": spread(rows.type_ids, 0),
    }
    return _Unpacked(inputs, sequences[rows.picks], positions[rows.picks])

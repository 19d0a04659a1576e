"""The CPU engine: an OpenVINO graph built straight from the checkpoint's tensors, without a framework between.

Several requests are in flight at once, one a stream, so that a batch is always ready when a core is free.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from lexel.checkpoint import Checkpoint
from lexel.encoder.build import Model, build_model
from lexel.encoder.layers import Inputs
from lexel.engines.base import Rows, Scores
from lexel.errors import EngineError

PRECISIONS = {"float32": ov.Type.f32, "bf16": ov.Type.bf16}
_INPUTS = ("piece_ids", "position_ids", "type_ids", "sequence_ids")
_PICKS = 128
"""Picks are filled up to a multiple of so many: OpenVINO keeps what it compiled for every shape it has seen."""
_MASKED = -1e9  # added to a score outside the sequence: its probability is then exactly zero, in bf16 too


class OpenVinoOps:
    """``Ops`` that add nodes to a graph."""

    def constant(self, array: NDArray[Any]) -> Any:
        if array.dtype == np.float32:
            return op.constant(array, shared_memory=array.flags.writeable)
        return op.convert(op.constant(array, shared_memory=array.flags.writeable), "f32")

    def gather(self, table: Any, ids: Any) -> Any:
        return op.gather(table, ids, _number(0))

    def add(self, left: Any, right: Any) -> Any:
        return op.add(left, right)

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        return op.add(op.matmul(x, weight, False, True), bias)

    def layer_norm(self, x: Any, weight: Any, bias: Any, *, eps: float) -> Any:
        normal = op.mvn(x, np.array([-1], np.int64), True, eps, "inside_sqrt")
        return op.add(op.multiply(normal, weight), bias)

    def activation(self, x: Any, name: str) -> Any:
        return _ACTIVATIONS[name](x)

    def same_sequence(self, sequence_ids: Any) -> Any:
        same = op.equal(op.unsqueeze(sequence_ids, _number(1)), op.unsqueeze(sequence_ids, _number(2)))
        mask = op.select(same, _real(0.0), _real(_MASKED))
        return op.unsqueeze(mask, _number(1))

    def attention(self, query: Any, key: Any, value: Any, same_sequence: Any, *, n_heads: int) -> Any:
        hidden = query.get_output_partial_shape(0)[2].get_length()
        size = hidden // n_heads

        def by_head(x: Any) -> Any:
            shaped = op.reshape(x, op.constant(np.array([0, 0, n_heads, size], np.int64)), True)
            return op.transpose(shaped, op.constant(np.array([0, 2, 1, 3], np.int64)))

        scores = op.multiply(op.matmul(by_head(query), by_head(key), False, True), _real(size**-0.5))
        probs = op.softmax(op.add(scores, same_sequence), -1)
        mixed = op.transpose(
            op.matmul(probs, by_head(value), False, False), op.constant(np.array([0, 2, 1, 3], np.int64))
        )
        return op.reshape(mixed, op.constant(np.array([0, 0, hidden], np.int64)), True)

    def pick(self, x: Any, picks: Any) -> Any:
        hidden = x.get_output_partial_shape(0)[2].get_length()
        return op.gather(op.reshape(x, op.constant(np.array([-1, hidden], np.int64)), False), picks, _number(0))


_ACTIVATIONS = {
    "gelu": lambda x: op.gelu(x, "erf"),
    "gelu_new": lambda x: op.gelu(x, "tanh"),
    "gelu_pytorch_tanh": lambda x: op.gelu(x, "tanh"),
    "relu": op.relu,
    "silu": op.swish,
    "tanh": op.tanh,
}


def _number(value: int) -> Any:
    return op.constant(np.int64(value))


def _real(value: float) -> Any:
    return op.constant(np.float32(value))


def _filled(picks: NDArray[np.int32]) -> NDArray[np.int32]:
    """The picks and some of the first slot, up to a multiple of ``_PICKS``."""
    return np.pad(picks, (0, -len(picks) % _PICKS))


class OpenVinoEngine:
    """Computes on this machine's processor.

    Args:
        checkpoint: What to run.
        precision: ``float32`` or ``bf16``.
        threads: Threads to compute with.
        streams: Batches computed side by side, each by an equal share of the threads.
        heads: Which of its heads to load; by default all of them.
    """

    name = "openvino"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str,
        threads: int,
        streams: int,
        heads: Collection[str] | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise EngineError(f"openvino: precision {precision!r}; expected one of {', '.join(PRECISIONS)}")
        self.precision = precision
        self.threads = threads
        self._streams = min(streams, threads)
        self._core = ov.Core()
        self.device = str(self._core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
        self._model: Model[Any] = build_model(OpenVinoOps(), checkpoint, heads)
        self._compiled: dict[tuple[str, ...], Any] = {}
        self._free: dict[tuple[str, ...], list[Any]] = defaultdict(list)
        self._settled: set[tuple[str, ...]] = set()
        self._lock = Lock()

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        names = tuple(outputs)
        running: deque[Any] = deque()
        try:
            for rows in batches:
                if len(running) == self._streams:
                    yield self._finish(running, names)
                request = self._request(names)
                inputs = [rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids, _filled(rows.picks)]
                request.start_async(inputs, share_inputs=True)
                running.append((request, rows, inputs))
            while running:
                yield self._finish(running, names)
        finally:
            for request, *_ in running:
                request.wait()
                self._free[names].append(request)

    def _finish(self, running: deque[Any], names: tuple[str, ...]) -> Scores:
        request, rows, _inputs = running.popleft()  # the arrays are kept: the request reads them where they lie
        try:
            request.wait()
        except RuntimeError as error:
            raise EngineError(f"openvino: a batch of shape {rows.piece_ids.shape} failed: {error}") from error
        scores = {name: request.get_output_tensor(i).data[: len(rows.picks)].copy() for i, name in enumerate(names)}
        if names not in self._settled:  # by its first result a graph has laid the weights out anew for itself
            self._model.weights.release()
            self._settled.add(names)
        self._free[names].append(request)
        return scores

    def _request(self, names: tuple[str, ...]) -> Any:
        """A request that nobody uses; a caller that is held up keeps its own without holding up others."""
        with self._lock:
            if names not in self._compiled:
                self._compiled[names] = self._compile(names)
            free = self._free[names]
            return free.pop() if free else self._compiled[names].create_infer_request()

    def _compile(self, names: tuple[str, ...]) -> Any:
        rows = [op.parameter([-1, -1], np.int32, name) for name in _INPUTS]
        picks = op.parameter([-1], np.int32, "picks")
        graph = ov.Model(self._model(Inputs(*rows), picks, names), [*rows, picks], "lexel")
        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": self._streams,
        }
        try:
            compiled = self._core.compile_model(graph, "CPU", options)
        except RuntimeError as error:
            raise EngineError(f"openvino: the graph could not be compiled in {self.precision}: {error}") from error
        taken = compiled.get_property("INFERENCE_PRECISION_HINT")
        if taken != PRECISIONS[self.precision]:
            raise EngineError(
                f"openvino: {self.device} computes in {taken.get_type_name()} where {self.precision} was asked for; "
                "use precision float32 or auto"
            )
        self._model.weights.release()  # compiling has looked at all of them once
        return compiled

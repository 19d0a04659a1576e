"""The CPU engine: an OpenVINO graph, built directly from the checkpoint's tensors without a framework.

Each stream has two requests in progress: one is computed while the next one waits, so a free core can continue even if
Python is busy with results. OpenVINO calls back in its own thread when a request is done.
"""

from __future__ import annotations

import atexit
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.quantised import quantised_graph
from lexel.encoder.layers import Inputs
from lexel.engines.base import BATCH_PIECES, Rows, Scores, failure, run_ahead
from lexel.engines.model import Model, build_model
from lexel.engines.openvino_ops import OpenVinoOps
from lexel.errors import EngineError

PRECISIONS = {"float32": ov.Type.f32, "bf16": ov.Type.bf16}
"""The precisions of a graph; the unquantised parts of an ``int8`` graph use the best of these."""

_INPUTS = ("piece_ids", "position_ids", "type_ids", "sequence_ids")
_PICKS = 128
"""Picks are padded to a multiple of this, because OpenVINO keeps compiled code for every shape."""
LONG_ROW = 2048
"""Row length from which local attention is computed in blocks, by a graph that is compiled when needed."""
_PER_STREAM = 2
"""Requests per stream: one in progress, and one that waits."""


def inputs_of(rows: Rows) -> dict[str, NDArray[np.int32]]:
    """A batch as the graph's inputs, by name."""
    return {name: getattr(rows, name) for name in _INPUTS} | {"picks": _filled(rows.picks)}


def _filled(picks: NDArray[np.int32]) -> NDArray[np.int32]:
    """The picks, padded with slot 0 to a multiple of ``_PICKS``."""
    filled = np.zeros(-(-len(picks) // _PICKS) * _PICKS, np.int32)
    filled[: len(picks)] = picks
    return filled


class Graphs(Protocol):
    """The source of the engine's graphs.

    Attributes:
        has_blocks: Whether there is a second graph for long rows, which computes local attention in blocks.
    """

    has_blocks: bool

    def graph(self, outputs: Sequence[str], *, in_blocks: bool = False) -> Any:
        """The graph that computes these outputs, in this order."""
        ...

    def release(self) -> None:
        """Release the memory of weights that were read."""
        ...


class BuiltGraphs:
    """Graphs built from a checkpoint's tensors."""

    def __init__(self, checkpoint: Checkpoint, heads: Collection[str] | None) -> None:
        self._checkpoint, self._heads = checkpoint, heads
        self._model: Model[Any] = build_model(OpenVinoOps(), checkpoint, heads)
        self.has_blocks: bool = any(scope.window is not None for scope in self._model.encoder.scopes)

    def graph(self, outputs: Sequence[str], *, in_blocks: bool = False) -> Any:
        """See ``Graphs.graph``; inputs and outputs have names."""
        model = self._model
        if in_blocks:
            model = build_model(OpenVinoOps(in_blocks=True), self._checkpoint, self._heads)
        rows = [op.parameter([-1, -1], np.int32, name) for name in _INPUTS]
        picks = op.parameter([-1], np.int32, "picks")
        graph = ov.Model(model(Inputs(*rows), picks, outputs), [*rows, picks], "lexel")
        for port, name in zip((*graph.inputs, *graph.outputs), (*_INPUTS, "picks", *outputs), strict=True):
            port.get_tensor().add_names({name})
        return graph

    def release(self) -> None:
        """See ``Graphs.release``."""
        self._model.weights.release()


class QuantisedGraphs:
    """The graph that ``lexel quantize`` wrote next to a checkpoint's weights.

    Raises:
        CheckpointError: If there is none, or it was made from other weights.
    """

    has_blocks = False

    def __init__(self, core: Any, checkpoint: Checkpoint) -> None:
        self._path = quantised_graph(checkpoint)
        self._core = core

    def graph(self, outputs: Sequence[str], *, in_blocks: bool = False) -> Any:
        """See ``Graphs.graph``."""
        try:
            whole = self._core.read_model(self._path)
        except RuntimeError as error:
            raise EngineError(f"{self._path}: cannot be read ({error}). Run lexel quantize again") from error
        by_name = {name: output for output in whole.outputs for name in output.get_names()}
        missing = [name for name in outputs if name not in by_name]
        if missing:
            raise EngineError(
                f"{self._path}: computes {', '.join(sorted(by_name))}, not {', '.join(missing)}; "
                "use precision float32 or bf16"
            )
        results = [by_name[name].get_node().input_value(0) for name in outputs]
        try:
            return ov.Model([op.result(result) for result in results], whole.get_parameters(), "lexel")
        except RuntimeError as error:
            raise EngineError(
                f"{self._path}: is not the graph of a model ({error}). Run lexel quantize again"
            ) from error

    def release(self) -> None:
        """See ``Graphs.release``."""


class _Flight(Future[Scores]):
    """A batch that a request is computing.

    OpenVINO calls back only when a request succeeds. A caller that waits for a flight also waits for its request, and
    so notices a failure; flights without waiting callers are checked when the next batch is submitted.

    A callback waits for Python's lock, and the next batch of its stream waits for the callback. So a stream of batches
    uses no callbacks, since it waits for each batch anyway.
    """

    def __init__(self, request: Any, rows: Rows, land: Callable[[Any], Scores]) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()  # OpenVINO reads the arrays until the request is done
        self._request = request
        self._rows = rows
        self._inputs = inputs_of(rows)
        self._land = land
        self._is_started = False  # before that, the request still reports its last batch as done

    def start(self, *, calls_back: bool) -> None:
        """Begin to compute."""
        _IN_FLIGHT.add(self)
        try:
            _check_shapes(self._inputs)
            if calls_back:
                self._request.set_callback(_arrive, self)
            for name, array in self._inputs.items():
                self._request.set_tensor(name, ov.Tensor(array, shared_memory=True))
            self._request.start_async()
            self._is_started = True
        except (RuntimeError, ValueError) as error:
            self._fail(error)

    def arrive(self) -> None:
        """Take the scores of a finished request, unless another thread has taken them."""
        if not self._claim():
            return
        try:
            scores = self._land(self._request)
        except Exception as error:  # noqa: BLE001 (the future raises it)
            self.set_exception(failure("openvino", self._rows, error))
        else:
            self.set_result(scores)

    def look(self, timeout: float | None = 0) -> None:
        """Wait for the request for at most ``timeout`` seconds."""
        if super().done() or not self._is_started:
            return
        try:
            is_done = self._request.wait() is None if timeout is None else self._request.wait_for(int(timeout * 1000))
        except RuntimeError as error:
            self._fail(error)
        else:
            if is_done:
                self.arrive()

    def done(self) -> bool:
        """See ``Future.done``."""
        self.look()
        return super().done()

    def result(self, timeout: float | None = None) -> Scores:
        """See ``Future.result``."""
        self.look(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See ``Future.exception``."""
        self.look(timeout)
        return super().exception(timeout)

    def _fail(self, error: Exception) -> None:
        if self._claim():  # otherwise the batch is done, and its request computes another one
            self.set_exception(failure("openvino", self._rows, error))

    def _claim(self) -> bool:
        """Whether this thread is the one that ends the flight."""
        try:
            _IN_FLIGHT.remove(self)
        except KeyError:
            return False
        return True


def _check_shapes(inputs: dict[str, NDArray[np.int32]]) -> None:
    """Refuse inputs that would fail without notice."""
    shapes = {name: inputs[name].shape for name in _INPUTS}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"expected arrays of one shape, found {shapes}")


def _arrive(flight: _Flight) -> None:
    flight.arrive()


_IN_FLIGHT: set[_Flight] = set()
"""All batches in progress; it keeps them and their arrays alive."""


@atexit.register
def _wait_for_all() -> None:
    """OpenVINO's threads cannot call back once the interpreter has begun to stop."""
    for flight in tuple(_IN_FLIGHT):
        flight.look(None)


class _Wanted(NamedTuple):
    """A graph that is compiled on first use."""

    outputs: tuple[str, ...]
    in_blocks: bool = False


class OpenVinoEngine:
    """Computes on this machine's processor.

    Args:
        checkpoint: The model.
        precision: ``float32``, ``bf16``, or ``int8`` if the folder has a quantised graph.
        threads: Number of threads.
        streams: Number of batches computed in parallel, each with an equal share of the threads.
        heads: The heads to load; by default all of them.
        rest: With ``int8``, the precision of the parts that are not quantised.
        keeps_to_cores: Bind each thread to a core. OpenVINO starts with the first core in every process, so do not use
            it if several processes share a machine.
    """

    name = "openvino"
    batch_pieces = BATCH_PIECES

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str,
        threads: int,
        streams: int,
        heads: Collection[str] | None = None,
        rest: str = "float32",
        keeps_to_cores: bool = True,
    ) -> None:
        self._keeps_to_cores = keeps_to_cores
        self._in = rest if precision == "int8" else precision
        if self._in not in PRECISIONS:
            raise EngineError(f"openvino: precision {self._in!r}; expected int8 or one of {', '.join(PRECISIONS)}")
        self.precision = precision
        self.threads = threads
        self._streams = min(streams, threads)
        self._core = ov.Core()
        self.device: str = str(self._core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
        self._graphs: Graphs = (
            QuantisedGraphs(self._core, checkpoint) if precision == "int8" else BuiltGraphs(checkpoint, heads)
        )
        self._compiled: dict[_Wanted, Any] = {}
        self._free: dict[tuple[_Wanted, bool], list[Any]] = defaultdict(list)  # by graph and callback
        self._settled: set[_Wanted] = set()
        self._lock = Lock()

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """See ``lexel.engines.base.Engine.submit``."""
        for other in tuple(_IN_FLIGHT):
            other.look()
        return self._start(rows, tuple(outputs), calls_back=True)

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        names = tuple(outputs)
        start = partial(self._start, names=names, calls_back=False)
        return run_ahead(start, batches, in_flight=self._streams * _PER_STREAM)

    def _start(self, rows: Rows, names: tuple[str, ...], *, calls_back: bool) -> Future[Scores]:
        wanted = _Wanted(names, self._graphs.has_blocks and rows.piece_ids.shape[1] >= LONG_ROW)
        free = self._free[wanted, calls_back]
        request = self._request(wanted, free)
        flight = _Flight(request, rows, partial(self._land, rows=rows, wanted=wanted, free=free))
        flight.start(calls_back=calls_back)
        return flight

    def _land(self, request: Any, *, rows: Rows, wanted: _Wanted, free: list[Any]) -> Scores:
        """Take the scores of a finished request, and release the request."""
        n = len(rows.picks)
        scores = {name: request.get_output_tensor(i).data[:n].copy() for i, name in enumerate(wanted.outputs)}
        if wanted not in self._settled:  # at its first result, a graph has its own copy of the weights
            self._graphs.release()
            self._settled.add(wanted)
        free.append(request)
        return scores

    def _request(self, wanted: _Wanted, free: list[Any]) -> Any:
        """A free request; a slow caller keeps its own request without blocking others."""
        with self._lock:
            if wanted not in self._compiled:
                self._compiled[wanted] = self._compile(wanted)
            return free.pop() if free else self._compiled[wanted].create_infer_request()

    def new_request(self, outputs: Sequence[str]) -> Any:
        """A plain OpenVINO request, for measuring its cost without this engine."""
        return self._request(_Wanted(tuple(outputs)), [])

    def _compile(self, wanted: _Wanted) -> Any:
        graph = self._graphs.graph(wanted.outputs, in_blocks=wanted.in_blocks)
        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self._in],
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": self._streams,
            "ENABLE_CPU_PINNING": self._keeps_to_cores,
        }
        try:
            compiled = self._core.compile_model(graph, "CPU", options)
        except RuntimeError as error:
            raise EngineError(f"openvino: the graph could not be compiled in {self.precision}: {error}") from error
        taken = compiled.get_property("INFERENCE_PRECISION_HINT")
        if taken != PRECISIONS[self._in]:
            raise EngineError(
                f"openvino: {self.device} computes in {taken.get_type_name()} where {self._in} was asked for; "
                "use precision float32 or auto"
            )
        self._graphs.release()  # compiling has read all of them once
        return compiled

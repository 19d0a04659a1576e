"""The PyTorch engine (extra ``torch``): one or several GPUs, or the CPU.

On a CPU, each batch is computed as it arrives. A GPU must not wait for Python: a thread tokenizes, packs and gathers
the next loads (``lexel.engines.loads``) while the GPU computes two and the caller decodes earlier results; copies in
both directions have separate streams.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.encoder.layers import Inputs
from lexel.engines.ahead import Ahead
from lexel.engines.base import Rows, Scores, computed
from lexel.engines.loads import Load, deal_out, flatten, gather_loads, load_of_rows, loads_of_rows
from lexel.engines.model import Model, build_model
from lexel.engines.torch_attention import Kernel, Segments, flash_kernel
from lexel.engines.torch_device import Arrival, courier_to, default_batch_pieces, memory_for, name_of, resolved_device
from lexel.engines.torch_ops import TorchOps
from lexel.errors import EngineError

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Plan:
    """How to keep a device busy.

    Attributes:
        kernel: Attention of variable length; with it, batches are gathered into loads of used slots.
        slots: Number of slots in a load.
        ahead: Number of loads prepared in a thread, or 0 for no thread.
        in_flight: Number of loads given to a device before waiting for the first of them.
    """

    kernel: Kernel | None
    slots: int
    ahead: int = 0
    in_flight: int = 1


def plan_for(devices: Sequence[torch.device], dtype: torch.dtype, *, head_size: int | None, slots: int) -> Plan:
    """The plan for devices of one kind: each GPU has two loads in progress, and two more are prepared.

    A kernel is used only if all devices have it, since any of them may get any load.

    Args:
        devices: The devices.
        dtype: Their number type.
        head_size: Size of an attention head; ``None`` if no kernel of variable length computes the attention.
        slots: Number of slots in a load.
    """
    kernels = [None if head_size is None else flash_kernel(device, dtype, head_size=head_size) for device in devices]
    kernel = None if None in kernels else kernels[0]
    if devices[0].type != "cuda":
        return Plan(kernel, slots)
    return Plan(kernel, slots, ahead=2 * len(devices), in_flight=2)


class TorchEngine:
    """Computes with PyTorch on GPUs if there are any, else on the CPU.

    Args:
        checkpoint: The model.
        precision: ``float32``, ``bf16`` or ``float16``.
        threads: Number of threads on the CPU.
        device: ``cuda``, ``cuda:N`` or ``cpu``, or several separated by commas: each has the model, and loads are
            distributed to them in turn. See ``torch_device``.
        heads: The heads to load; by default all of them.
        batch_pieces: Maximum number of slots for a GPU at once; by default as many as keep it busy and fit.
        is_compiled: Whether to compile layers with ``torch.compile``, which fuses the operations between products. The
            first loads then wait for the compiler.
        plan: A plan to use instead of the device's own.

    Attributes:
        batch_pieces: Number of slots in a batch that keeps it busy.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str,
        threads: int,
        device: str,
        heads: Collection[str] | None = None,
        batch_pieces: int | None = None,
        is_compiled: bool = False,
        plan: Plan | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise EngineError(f"torch: precision {precision!r}; expected one of {', '.join(PRECISIONS)}")
        self.precision = precision
        self.threads = threads
        devices = [resolved_device(name) for name in device.split(",")]
        if devices[0].type == "cpu":
            torch.set_num_threads(threads)  # PyTorch has one number for the whole process
        self.device: str = ", ".join(map(name_of, devices))
        config, dtype = checkpoint.config, PRECISIONS[precision]
        self.batch_pieces: int = batch_pieces or min(default_batch_pieces(one, config) for one in devices)
        head_size = config.head_size if config.fits_segments else None
        self._plan = plan or plan_for(devices, dtype, head_size=head_size, slots=self.batch_pieces)
        self._workers = [
            Worker(checkpoint, one, dtype=dtype, heads=heads, kernel=self._plan.kernel, is_compiled=is_compiled)
            for one in devices
        ]
        self._next_worker = cycle(self._workers)
        n_waiting = self._plan.in_flight * len(self._workers)
        self._waiting = ThreadPoolExecutor(n_waiting, "lexel-torch-submit") if self._plan.ahead else None

    @property
    def attends_in_segments(self) -> bool:
        """Whether a kernel of variable length computes attention, without unused slots."""
        return self._plan.kernel is not None

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """See ``lexel.engines.base.Engine.submit``.

        The batch is a load by itself. A CPU computes it at once; for a GPU, a thread waits.
        """
        worker = next(self._next_worker)

        def compute() -> Scores:
            load = load_of_rows(rows) if self._plan.kernel is None else flatten([rows])
            return dict(zip(outputs, worker.start(load, outputs).wait(), strict=True))

        if self._waiting is None:
            return computed(self.name, rows, compute)
        return self._waiting.submit(lambda: computed(self.name, rows, compute).result())

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``.

        With a GPU, ``batches`` is read in another thread. When this iterator ends or is closed, ``batches`` is closed
        there, and the thread ends.
        """
        plan = self._plan
        loads = loads_of_rows(batches) if plan.kernel is None else gather_loads(batches, slots=plan.slots)
        ahead = Ahead(loads, depth=plan.ahead, name="lexel-torch-ahead") if plan.ahead else nullcontext(loads)
        with ahead as ready:
            for flying in self._in_flight(ready, outputs):
                if flying is None:
                    yield {}
                else:
                    load, arrival = flying
                    yield from deal_out(dict(zip(outputs, arrival.wait(), strict=True)), load.counts)

    def _in_flight(self, loads: Iterable[Load | None], outputs: Sequence[str]) -> Iterator[tuple[Load, Arrival] | None]:
        """Every load with its pending results, in order, while the next ones are computed."""
        flying: deque[tuple[Load, Arrival]] = deque()
        workers = cycle(self._workers)
        for load in loads:
            if load is None:
                yield from flying
                flying.clear()
                yield None
                continue
            flying.append((load, next(workers).start(load, outputs)))
            if len(flying) == self._plan.in_flight * len(self._workers):
                yield flying.popleft()
        yield from flying


class Worker:
    """The model on one device."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device,
        *,
        dtype: torch.dtype,
        heads: Collection[str] | None,
        kernel: Kernel | None,
        is_compiled: bool,
    ) -> None:
        self._device = device
        self._is_narrow = dtype == torch.float16
        advice = "use a smaller model, 16-bit precision, or device cpu"
        with memory_for("the model", device, advice=advice):
            self._courier = courier_to(device)
            model = build_model(TorchOps(device=device, dtype=dtype, kernel=kernel), checkpoint, heads)
        self._model = _compiled(model) if is_compiled else model

    def start(self, load: Load, outputs: Sequence[str]) -> Arrival:
        """Start to compute a load; the results are pending when this returns.

        Raises:
            EngineError: If there is no room for it.
        """
        advice = f"use --batch-pieces {max(1, load.n_slots // 2)} or less"
        with torch.inference_mode(), memory_for(f"a load of {load.n_slots:,} slots", self._device, advice=advice):
            results = [result.float() for result in self._model(*self._sent(load), outputs)]
            if not self._is_narrow:
                return self._courier.fetch(results)
            return Checked(self._courier.fetch([*results, *(result.isfinite().all() for result in results)]), outputs)

    def _sent(self, load: Load) -> tuple[Inputs[torch.Tensor], torch.Tensor]:
        arrays = (load.piece_ids, load.position_ids, load.type_ids, load.sequences, load.picks)
        pieces, positions, types, sequences, picks = self._courier.send(arrays)
        same = sequences if load.longest is None else Segments(sequences, load.longest)
        return Inputs(pieces, positions, types, same), picks


def _compiled(model: Model[torch.Tensor]) -> Any:
    from lexel.engines.torch_compile import CompiledModel  # takes seconds to import

    return CompiledModel(model)


class Checked:
    """Results of a computation in float16, with flags at the end that tell whether each is finite."""

    def __init__(self, arrival: Arrival, outputs: Sequence[str]) -> None:
        self._arrival = arrival
        self._outputs = outputs

    def wait(self) -> list[NDArray[Any]]:
        """See ``Arrival.wait``.

        Raises:
            EngineError: If a number exceeded the range of float16.
        """
        arrays = self._arrival.wait()
        results, are_finite = arrays[: len(self._outputs)], arrays[len(self._outputs) :]
        for output, is_finite in zip(self._outputs, are_finite, strict=True):
            if not is_finite:
                raise EngineError(
                    f"torch: {output} has numbers that are not finite: the model goes beyond float16, whose largest "
                    "number is 65,504; use precision bf16 or float32"
                )
        return results

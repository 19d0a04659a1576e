"""Chooses the engine, its precision and its threads: as the caller asks, else by the machine's flags.

bf16 and int8 are chosen only if the processor's flags name them as native (``NATIVE_BF16``, ``NATIVE_INT8``).
OpenVINO's list of capabilities is not used, because it also names them if they are emulated, and slow.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.exported import is_exported
from lexel.engines.base import Engine
from lexel.engines.processes import ProcessEngine
from lexel.errors import EngineError, MissingExtra

ENGINES = ("auto", "openvino", "onnxruntime", "torch", "numpy")
PRECISIONS = ("auto", "float32", "bf16", "int8", "float16", "float64")
NATIVE_BF16 = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
NATIVE_INT8 = frozenset({"amx_int8", "avx512_vnni", "avx_vnni", "asimddp", "i8mm"})

_DEVICES = r"cpu|cuda(:\d+)?|cuda:\d+(,cuda:\d+)+"


StartEngine = Callable[["Checkpoint", "EngineOptions", "Collection[str] | None"], Engine]
"""Starts an engine for a checkpoint and some of its heads, or returns an existing one."""


class EngineKeywords(TypedDict, total=False):
    """The fields of ``EngineOptions`` as keywords of ``load``."""

    engine: str
    precision: str
    threads: int | None
    device: str | None
    batch_pieces: int | None
    is_compiled: bool
    start: StartEngine | None


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The engine, its precision and its device. Every ``load`` takes these, together or as single keywords.

    Precision ``auto`` is the first of these that is available:

    - ``int8``, on the engine OpenVINO, if the model's folder has a quantised graph of all needed outputs and the
      processor has eight-bit instructions;
    - ``int8`` or ``float32``, whichever an exported folder has, on the engine onnxruntime, which has no bf16;
    - ``bf16``, if the processor or the GPU supports it natively;
    - ``float32``. The engine numpy always uses ``float64``.

    Use ``float32`` if results must be equal on every machine and in every batch.

    Attributes:
        engine: ``auto``, ``openvino``, ``onnxruntime``, ``torch`` or ``numpy``; ``auto`` is torch if ``device`` is a
            GPU, onnxruntime for an exported folder or if OpenVINO is not installed, and OpenVINO otherwise.
        precision: ``auto`` (see above), ``float32``, ``bf16``, ``int8``, ``float16`` or ``float64``.
        threads: Number of threads. Default: the physical cores that this process may use.
        device: ``cpu``, ``cuda``, ``cuda:N``, or several GPUs as ``cuda:0,cuda:1``; by default the CPU, or with the
            engine torch a GPU if there is one.
        batch_pieces: Maximum number of piece slots in a batch. Default: as many as keep the engine busy and fit
            its memory.
        is_compiled: Whether torch compiles the layers for a GPU; see ``lexel.engines.torch``.
        start: Starts the engine in place of ``start_engine``, for programs that share engines among readers.
    """

    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    device: str | None = None
    batch_pieces: int | None = None
    is_compiled: bool = False
    start: StartEngine | None = None

    def __post_init__(self) -> None:
        for name, value, known in (("engine", self.engine, ENGINES), ("precision", self.precision, PRECISIONS)):
            if value not in known:
                raise EngineError(f"{name} {value!r} is not known; expected one of {', '.join(known)}")
        if self.threads is not None and self.threads < 1:
            raise EngineError(f"threads is {self.threads}; expected 1 or more")
        if self.batch_pieces is not None and self.batch_pieces < 1:
            raise EngineError(f"batch_pieces is {self.batch_pieces}; expected 1 or more")
        if self.device is not None and not re.fullmatch(_DEVICES, self.device):
            raise EngineError(
                f"device {self.device!r} is not known; expected cpu, cuda, cuda:N, or several as cuda:0,cuda:1"
            )
        if self.on_gpu and self.engine not in ("auto", "torch"):
            raise EngineError(f"{self.engine}: device {self.device!r}; a GPU is for the engine torch")

    @property
    def on_gpu(self) -> bool:
        """Whether the options name a GPU."""
        return self.device is not None and self.device.startswith("cuda")


def start_engine(checkpoint: Checkpoint, options: EngineOptions, *, heads: Collection[str] | None = None) -> Engine:
    """Start the right engine for the options and this machine.

    It can be pickled, and a forked child starts its own (see ``lexel.engines.processes``).

    Args:
        checkpoint: The model.
        options: The caller's options.
        heads: The heads to load; by default all of them. The list may contain other outputs.

    Raises:
        EngineError: If the engine does not support the requested precision.
        MissingExtra: If the engine's library is not installed.
    """
    if options.start is not None:
        return options.start(checkpoint, options, heads)
    kept = None if heads is None else tuple(heads)
    return ProcessEngine(partial(_start, checkpoint, options, kept))


def _start(checkpoint: Checkpoint, options: EngineOptions, heads: Collection[str] | None) -> Engine:
    name = _auto_engine(checkpoint, options) if options.engine == "auto" else options.engine
    threads = options.threads or available_threads()
    if name == "numpy":
        return _start_numpy(checkpoint, options.precision, heads)
    if name == "torch":
        return _start_torch(checkpoint, options, threads, heads)
    if name == "onnxruntime":
        return _start_onnxruntime(checkpoint, options.precision, threads, heads)
    if find_spec("openvino") is None:
        raise MissingExtra("the engine openvino needs openvino: pip install openvino. Or choose another engine")
    from lexel.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(
        checkpoint,
        precision=_openvino_precision(checkpoint, options.precision, heads),
        threads=threads,
        streams=threads,
        heads=heads,
        rest=_auto_precision(),
        keeps_to_cores=threads >= available_threads(),  # else all processes would use the first cores
    )


def _auto_engine(checkpoint: Checkpoint, options: EngineOptions) -> str:
    if options.on_gpu:
        return "torch"
    has_openvino = find_spec("openvino") is not None
    return "openvino" if has_openvino and not is_exported(checkpoint.source.folder) else "onnxruntime"


def _openvino_precision(checkpoint: Checkpoint, asked: str, outputs: Collection[str] | None) -> str:
    """The precision for OpenVINO.

    Raises:
        EngineError: If the caller requests int8 and this processor would only emulate it.
    """
    can_int8 = is_int8_native(processor_flags())
    if asked == "auto":
        has_graph = checkpoint.quantised is not None and set(outputs or ()) <= set(checkpoint.quantised.outputs)
        return "int8" if can_int8 and has_graph else _auto_precision()
    if asked == "int8" and not can_int8:
        raise EngineError(
            f"openvino: this processor has no int8 products (none of {', '.join(sorted(NATIVE_INT8))}); "
            "use precision float32 or auto"
        )
    return asked


def _start_numpy(checkpoint: Checkpoint, precision: str, heads: Collection[str] | None) -> Engine:
    from lexel.engines.numpy import NumpyEngine

    if precision not in ("auto", "float64"):
        raise EngineError(f"numpy: precision {precision!r}; this reference engine computes in float64 only")
    return NumpyEngine(checkpoint, heads=heads)


def _start_onnxruntime(checkpoint: Checkpoint, precision: str, threads: int, heads: Collection[str] | None) -> Engine:
    if missing := [name for name in ("onnx_ir", "onnxruntime") if find_spec(name) is None]:
        raise MissingExtra(f'the engine onnxruntime needs {", ".join(missing)}: pip install "lexel[onnx]"')
    from lexel.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(checkpoint, precision=precision, threads=threads, heads=heads)


def _start_torch(checkpoint: Checkpoint, options: EngineOptions, threads: int, heads: Collection[str] | None) -> Engine:
    try:
        from lexel.engines.torch import TorchEngine
        from lexel.engines.torch_device import gpu_precision, torch_device
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtra('the engine torch needs PyTorch: pip install "lexel[torch]"') from error
    device, precision = torch_device(options.device), options.precision
    if precision == "auto":
        precision = _auto_precision() if device == "cpu" else gpu_precision(device)
    return TorchEngine(
        checkpoint,
        precision=precision,
        threads=threads,
        device=device,
        heads=heads,
        batch_pieces=options.batch_pieces,
        is_compiled=options.is_compiled,
    )


def device_named(device: object) -> str | None:
    """The device for transformers' ``device`` argument: a number (-1 is the CPU), a name, or torch's object.

    Raises:
        EngineError: If it is neither the CPU nor a CUDA device.
    """
    if device is None:
        return None
    if isinstance(device, int) and not isinstance(device, bool):
        return "cpu" if device < 0 else f"cuda:{device}"
    name = str(device)
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise EngineError(f"device {device!r} is not known; expected -1 or 'cpu', or 0, 1, ... or 'cuda:N' for a GPU")
    return name


def describe(engine: Engine) -> str:
    """One line with engine, precision, threads and device."""
    threads = f"{engine.threads} thread{'s' if engine.threads != 1 else ''}"
    return f"{engine.name} {engine.precision}, {threads}, {engine.device}"


def is_bf16_native(flags: AbstractSet[str]) -> bool:
    """Whether a processor with these feature flags supports bf16 natively."""
    return not NATIVE_BF16.isdisjoint(flags)


def is_int8_native(flags: AbstractSet[str]) -> bool:
    """Whether a processor with these feature flags has eight-bit instructions."""
    return not NATIVE_INT8.isdisjoint(flags)


def _auto_precision() -> str:
    return "bf16" if is_bf16_native(processor_flags()) else "float32"


@cache
def processor_flags() -> frozenset[str]:
    """The feature flags that the operating system reports for this processor; may be empty."""
    if platform.system() == "Linux":
        return parse_cpuinfo(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    if platform.system() == "Darwin":
        return _darwin_flags()
    return frozenset()


def parse_cpuinfo(text: str) -> frozenset[str]:
    """The flags common to all processors in a Linux ``/proc/cpuinfo`` (``flags`` on x86, ``Features`` on Arm)."""
    lines = [line.partition(":") for line in text.splitlines()]
    sets = [frozenset(value.split()) for name, _, value in lines if name.strip() in ("flags", "Features")]
    return frozenset.intersection(*sets) if sets else frozenset()


def _darwin_flags() -> frozenset[str]:
    return frozenset(flag for feature, flag in _DARWIN.items() if _has_feature(feature))


_DARWIN = {"FEAT_BF16": "bf16", "FEAT_DotProd": "asimddp", "FEAT_I8MM": "i8mm"}
"""Linux's names of features, by Apple's."""


def _has_feature(feature: str) -> bool:
    command = ["sysctl", "-n", f"hw.optional.arm.{feature}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer == "1"


def available_threads() -> int:
    """Number of physical cores that this process may use by its affinity and its cgroup's quota, at least 1."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = {_core_of(cpu) for cpu in allowed}
    return max(1, min(len(cores), _cgroup_quota() or len(cores)))


def _core_of(cpu: int) -> str:
    """A key for the physical core of a logical processor, shared by the threads of one core."""
    siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return siblings.read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)


def _cgroup_quota() -> int | None:
    """Number of whole processors that the cgroup's quota allows, or ``None`` without a quota."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))

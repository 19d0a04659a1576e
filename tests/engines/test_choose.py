"""Which engine, precision and threads: what was asked for, else what this machine's own flags say."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines import choose
from lexel.engines.choose import EngineOptions, available_threads, is_bf16_native, parse_cpuinfo, start_engine
from lexel.errors import EngineError, LexelError, MissingExtra
from tests.builders import WORDS, build_tagger


def x86(*flags: str, vmx: str = "vnmi") -> str:
    return f"processor\t: 0\nmodel name\t: Some bf16 CPU\nflags\t\t: fpu sse2 {' '.join(flags)}\nvmx flags\t: {vmx}\n\n"


def arm(*features: str) -> str:
    return f"processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd {' '.join(features)}\nCPU part\t: 0xd40\n\n"


CPUS = {
    "Intel with AMX": (x86("avx512f", "avx512_bf16", "amx_bf16", "amx_tile"), True),
    "only AMX named": (x86("amx_bf16"), True),
    "AMD with AVX-512 BF16": (x86("avx512f", "avx512_bf16"), True),
    "AVX-512 without BF16, where OpenVINO emulates it": (x86("avx512f", "avx512bw", "avx512_vnni"), False),
    "AVX2": (x86("avx", "avx2", "f16c"), False),
    "AMX for int8 only": (x86("amx_int8", "amx_tile"), False),
    "Arm with BF16": (arm("i8mm", "bf16"), True),
    "Arm without": (arm("asimddp", "svebf16x"), False),
    "two processors alike": (x86("amx_bf16") * 2, True),
    "two processors, one of them without": (x86("amx_bf16") + x86("avx2"), False),
    "two processors with different kinds of BF16": (x86("amx_bf16") + x86("avx512_bf16"), False),
    "a flag named elsewhere": (x86("avx2", vmx="amx_bf16"), False),
    "nothing": ("", False),
    "no flags": ("processor: 0\ncpu family: 6\n", False),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(build_tagger(tmp_path_factory.mktemp("model"), heads={"words": WORDS}))


@pytest.mark.parametrize(("cpuinfo", "native"), CPUS.values(), ids=CPUS)
def test_bf16_is_native_only_where_every_processor_names_it(cpuinfo: str, native: bool) -> None:
    assert is_bf16_native(parse_cpuinfo(cpuinfo)) is native


@pytest.mark.parametrize(("cpuinfo", "native"), CPUS.values(), ids=CPUS)
def test_auto_takes_bf16_only_where_it_is_native(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, cpuinfo: str, native: bool
) -> None:
    monkeypatch.setattr(choose, "processor_flags", lambda: parse_cpuinfo(cpuinfo))
    engine = start_engine(checkpoint, EngineOptions())
    assert (engine.name, engine.precision) == ("openvino", "bf16" if native else "float32")


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_precision_asked_for_beats_the_flags(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(choose, "processor_flags", lambda: frozenset({"amx_bf16"} if precision == "float32" else ()))
    assert start_engine(checkpoint, EngineOptions(precision=precision)).precision == precision


def test_the_flags_are_those_of_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose.platform, "system", lambda: "Linux")
    monkeypatch.setattr(Path, "read_text", lambda self, **_: x86("amx_bf16") if str(self) == "/proc/cpuinfo" else "")
    assert "amx_bf16" in choose.processor_flags.__wrapped__()


@pytest.mark.parametrize(("answer", "flags"), [("1\n", {"bf16", "asimddp", "i8mm"}), ("0\n", set()), ("", set())])
def test_macos_is_asked_by_its_own_name(monkeypatch: pytest.MonkeyPatch, answer: str, flags: set[str]) -> None:
    monkeypatch.setattr(choose.platform, "system", lambda: "Darwin")
    completed = choose.subprocess.CompletedProcess([], 0, stdout=answer)
    monkeypatch.setattr(choose.subprocess, "run", lambda *_, **__: completed)
    assert choose.processor_flags.__wrapped__() == flags


def test_an_unknown_system_has_no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose.platform, "system", lambda: "Plan 9")
    assert choose.processor_flags.__wrapped__() == frozenset()


# What cannot be had --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "onnx"}, "engine 'onnx' is not known; expected one of auto, openvino, onnxruntime, torch, numpy"),
        (
            {"precision": "int4"},
            "precision 'int4' is not known; expected one of auto, float32, bf16, int8, float16, float64",
        ),
        ({"threads": 0}, "threads is 0; expected 1 or more"),
        ({"threads": -2}, "threads is -2; expected 1 or more"),
        ({"device": "gpu"}, "device 'gpu' is not known; expected cpu, cuda, cuda:N, or several as cuda:0,cuda:1"),
        (
            {"device": "cuda:0,cpu"},
            "device 'cuda:0,cpu' is not known; expected cpu, cuda, cuda:N, or several as cuda:0,cuda:1",
        ),
        ({"device": "cuda:1", "engine": "openvino"}, "openvino: device 'cuda:1'; a GPU is for the engine torch"),
    ],
)
def test_options_that_nobody_knows_are_refused(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(EngineError) as caught:
        EngineOptions(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize("precision", ["bf16", "float32", "float16"])
def test_numpy_computes_in_float64_only(checkpoint: Checkpoint, precision: str) -> None:
    with pytest.raises(EngineError, match=f"numpy: precision '{precision}'; .* float64 only"):
        start_engine(checkpoint, EngineOptions(engine="numpy", precision=precision))


def test_numpy_does_not_follow_the_flags(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "processor_flags", lambda: frozenset({"amx_bf16"}))
    assert start_engine(checkpoint, EngineOptions(engine="numpy")).precision == "float64"


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if PyTorch were not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch" or name == "lexel.engines.torch"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def refusing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refusing)


@pytest.mark.usefixtures("without_torch")
def test_a_missing_torch_is_answered_with_the_line_that_installs_it(checkpoint: Checkpoint) -> None:
    with pytest.raises(MissingExtra, match=r'pip install "lexel\[torch\]"') as caught:
        start_engine(checkpoint, EngineOptions(engine="torch"))
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, LexelError)


@pytest.mark.usefixtures("without_torch")
def test_without_torch_the_other_engines_start(checkpoint: Checkpoint) -> None:
    assert start_engine(checkpoint, EngineOptions()).name == "openvino"


# Devices -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "cuda:0,cuda:1"])
def test_a_gpu_asked_for_makes_auto_take_torch_which_looks_for_it(checkpoint: Checkpoint, device: str) -> None:
    if torch.cuda.device_count() > int(device[-1] if ":" in device else 0):
        pytest.skip("there is such a GPU here")
    with pytest.raises(EngineError, match=f"^torch: device '{device.split(',')[0]}' asked for, but PyTorch sees"):
        start_engine(checkpoint, EngineOptions(device=device))


def test_the_size_of_batches_asked_for_is_the_engines(checkpoint: Checkpoint) -> None:
    engine = start_engine(checkpoint, EngineOptions(engine="torch", device="cpu", batch_pieces=77))
    assert engine.batch_pieces == 77  # type: ignore[attr-defined]


# Threads -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A made-up machine: which logical processors may be used, which share a core, and the cgroup's files."""

    def build(
        allowed: set[int], *, siblings: Mapping[int, str] | None = None, files: Mapping[str, str] | None = None
    ) -> None:
        contents = dict(files or {})
        for cpu, text in (siblings or {}).items():
            contents[f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"] = text + "\n"

        def read_text(self: Path, **_: Any) -> str:
            if str(self) not in contents:
                raise FileNotFoundError(self)
            return contents[str(self)]

        monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
        monkeypatch.setattr(Path, "read_text", read_text)

    return build


CPU_MAX = "/sys/fs/cgroup/cpu.max"


def test_threads_are_the_processors_that_the_process_may_use(machine: Any) -> None:
    machine({0, 2, 5})
    assert available_threads() == 3


def test_two_threads_of_one_core_count_once(machine: Any) -> None:
    machine({0, 1, 2, 3}, siblings={0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"})
    assert available_threads() == 2


@pytest.mark.parametrize(
    ("quota", "threads"), [("200000 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("max 100000", 8), ("1", 8)]
)
def test_the_quota_of_the_cgroup_counts_in(machine: Any, quota: str, threads: int) -> None:
    machine(set(range(8)), files={CPU_MAX: quota + "\n"})
    assert available_threads() == threads


def test_a_quota_above_the_affinity_adds_no_threads(machine: Any) -> None:
    machine({0, 1}, files={CPU_MAX: "800000 100000\n"})
    assert available_threads() == 2


def test_the_threads_asked_for_are_taken(checkpoint: Checkpoint) -> None:
    assert start_engine(checkpoint, EngineOptions(threads=3)).threads == 3

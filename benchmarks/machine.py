"""What a measurement was made on: the processor, its load, and the versions of everything that was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lexel.engines.choose import available_threads, is_bf16_native, is_int8_native, processor_flags

PACKAGES = (
    "lexel", "numpy", "openvino", "nncf", "tokenizers", "torch", "transformers", "sentence-transformers",
    "ckip-transformers", "jieba",
)  # fmt: skip
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "bf16")
"""The processor's features that decide how fast an encoder can be."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine as it was when asked."""

    processor: str
    cores: int
    flags: tuple[str, ...]
    memory_bytes: int
    load_average: float
    system: str
    versions: dict[str, str]


def describe_machine() -> Machine:
    """The machine and the versions of now."""
    return Machine(
        processor=_processor(),
        cores=available_threads(),
        flags=tuple(flag for flag in FLAGS if flag in processor_flags()),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        load_average=os.getloadavg()[0],
        system=platform.platform(terse=True),
        versions={"python": platform.python_version(), **dict(_versions())},
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):  # a machine with a GPU may have some of the peers only
            yield name, metadata.version(name)


def has_bf16() -> bool:
    """Whether this processor multiplies bf16 natively; elsewhere nothing is measured in bf16."""
    return is_bf16_native(processor_flags())


def precisions() -> tuple[str, ...]:
    """What a model folder's weights are computed in here, the fastest first."""
    return ("bf16", "float32") if has_bf16() else ("float32",)


def has_int8() -> bool:
    """Whether this processor multiplies eight-bit numbers natively."""
    return is_int8_native(processor_flags())


def _processor() -> str:
    """The processor's name, with the numbers that tell apart what hypervisors call alike."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    values = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    name = values.get("model name", platform.machine())
    return f"{name} (family {values['cpu family']}, model {values['model']})" if "cpu family" in values else name

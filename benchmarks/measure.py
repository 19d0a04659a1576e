"""How things are timed: side by side in turns, so that a busy moment of the machine falls on all of them alike."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console

from benchmarks.readers import Reader

Result = TypeVar("Result")

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
"""What rates are measured by: the clock on the wall, or this process's time on all processors.

On a machine that does other work, ratios by the processor's time with one thread for everyone are still to be trusted.
"""
_clock = {"now": time.perf_counter}

SETTLE_S = 0.3
"""A pause before each measurement: libraries keep their threads spinning for a while after work."""

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Series:
    """The same thing measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @classmethod
    def each(cls, found: Mapping[str, tuple[float, ...]]) -> dict[str, Series]:
        """What ``in_turns`` found, by name."""
        return {name: cls(values) for name, values in found.items()}

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)


def in_turns(
    contestants: Mapping[str, Callable[[], Result]], *, repetitions: int, what: str
) -> dict[str, tuple[Result, ...]]:
    """Let everyone measure once, then everyone a second time, and so on.

    Args:
        contestants: By name, what makes one measurement and gives its result.
        repetitions: How often each is measured.
        what: What is being measured, for the progress that is printed.
    """
    results: dict[str, list[Result]] = {name: [] for name in contestants}
    with _only_new_garbage():
        for turn in range(repetitions):
            for name, measure_once in contestants.items():
                console.print(f"[dim]{what} {turn + 1}/{repetitions}: {name}[/dim]")
                gc.collect()
                if repetitions > 1:
                    time.sleep(SETTLE_S)
                results[name].append(measure_once())
    return {name: tuple(values) for name, values in results.items()}


@contextmanager
def _only_new_garbage() -> Iterator[None]:
    """Spare the collector the libraries' objects, which are so many that each look at them takes half a second."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def rate(read: Reader, texts: Sequence[str]) -> float:
    """Characters a second of one pass over the texts, by the clock that the run was told to use."""
    begin = now()
    read(texts)
    return sum(map(len, texts)) / (now() - begin)


def use_clock(name: str) -> None:
    """Measure rates by one of ``CLOCKS`` from here on."""
    _clock["now"] = CLOCKS[name]


def now() -> float:
    """Seconds by the clock that the run was told to use."""
    return _clock["now"]()


def fastest(
    makers: Mapping[str, Callable[[], Reader]],
    texts: Sequence[str],
    *,
    who: str,
    warm_up: Sequence[str] | None = None,
) -> tuple[str, Reader]:
    """The fastest of a peer's settings on some texts; the others are let go.

    Args:
        makers: The settings by name.
        texts: What is read for the clock.
        who: Whose settings these are, for the progress that is printed.
        warm_up: What each has read once before; by default the same.
    """
    best_name, best_rate, best = "", 0.0, None
    for name, make in makers.items():
        console.print(f"[dim]choosing a setting for {who}: {name}[/dim]")
        read = make()
        read(texts if warm_up is None else warm_up)
        found = rate(read, texts)
        if best is None or found > best_rate:
            best_name, best_rate, best = name, found, read
    if best is None:
        raise ValueError(f"{who}: no setting to choose from")
    return best_name, best


@dataclass(frozen=True, slots=True)
class Child:
    """What a fresh process reported.

    Attributes:
        first_result_s: From before the process was started until its first result.
        values: What it measured itself; see ``benchmarks.child``.
    """

    first_result_s: float
    values: Mapping[str, Any]


def run_child(reader: str, *, threads: int, one_core: bool = False, **options: object) -> Child:
    """Let a fresh process read, by ``python -m benchmarks.child``; options are those of that program."""
    command = [sys.executable, "-m", "benchmarks.child", reader, "--threads", str(threads)]
    command += [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    if one_core:
        environment |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command.append("--one-core")
    with tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as run:
            lines = iter(run.stdout or ())
            next(lines, None)
            first_result_s = time.perf_counter() - begin
            rest = "".join(lines)
        if run.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)}: exit status {run.returncode}\n{errors.read()}")
    return Child(first_result_s, json.loads(rest))

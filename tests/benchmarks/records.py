"""Results as a run keeps them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.measure import Series
from benchmarks.record import Record, read_record
from benchmarks.report import Bar, Part, Row, save_report
from benchmarks.setting import FULL

PROCESSOR = "Reckoner 9000 (family 1, model 2)"


def machine(processor: str = PROCESSOR) -> Machine:
    """A machine that there is not."""
    return Machine(processor, 2, ("avx2",), 2**34, 0.25, "Linux", {"python": "3.11.7", "lexel": "0.1.0"})


def record(
    folder: Path,
    parts: dict[str, Part],
    *,
    processor: str = PROCESSOR,
    quick: bool = False,
    threads: int = 2,
    sizes: dict[str, Any] | None = None,
) -> Record:
    """A result kept in a new folder, and read again."""
    settings = {
        "parts": list(parts),
        "quick": quick,
        "threads": threads,
        "sizes": asdict(FULL) if sizes is None else sizes,
    }
    folder = folder / str(len(list(folder.iterdir())) if folder.exists() else 0)
    path = save_report(machine(processor), parts.values(), folder=folder, seconds=60, settings=settings)
    return read_record(path)


def part_of(*bars: Bar) -> Part:
    """A part with nothing but bars."""
    return Part("part", [], bars)


def growth(values: Sequence[float] = (170.0, 171.0, 172.0)) -> Part:
    """A part that can be drawn."""
    rows = [
        Row(f"peak memory, {10**i:,} sentences", Series((value,)), "MiB", plot="peak memory", x=10**i)
        for i, value in enumerate(values, start=3)
    ]
    return Part("More and more sentences", rows, [])

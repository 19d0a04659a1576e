"""What a benchmark found: figures beside their bars, and how they are printed and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import Machine
from benchmarks.measure import Series

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure, what it must reach, and what was measured.

    Attributes:
        figure: What is compared with what.
        bar: What it must reach.
        value: What was measured; ``None`` where this machine cannot.
        at_most: Whether less is better.
        unit: What is printed after both numbers.
        note: What a reader must know beside it.
    """

    figure: str
    bar: float
    value: float | None
    at_most: bool = False
    unit: str = "x"
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; ``None`` where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured several times."""

    name: str
    series: Series
    unit: str


@dataclass(frozen=True, slots=True)
class Part:
    """The findings of one part of the benchmark."""

    name: str
    rows: Sequence[Row]
    bars: Sequence[Bar]
    notes: Sequence[str] = field(default_factory=tuple)


def ratio(above: Series, below: Series) -> float:
    """How many times one median is the other."""
    return above.median / below.median


def print_report(machine: Machine, parts: Iterable[Part], *, seconds: float) -> None:
    """Print everything as tables on standard output."""
    console = Console(width=None if Console().is_terminal else 140)
    parts = tuple(parts)
    for part in parts:
        console.print(_table_of_rows(part))
        for note in part.notes:
            console.print(f"  {note}", highlight=False)
        console.print()
    console.print(_table_of_bars(parts))
    console.print(_machine_lines(machine), highlight=False)
    console.print(f"{seconds / 60:.1f} minutes; medians of interleaved repetitions", highlight=False)


def save_report(
    machine: Machine, parts: Iterable[Part], *, folder: Path, seconds: float, settings: dict[str, Any]
) -> Path:
    """Keep everything as JSON in a folder, named by the moment (UTC); gives the path."""
    now = datetime.now(UTC)
    values = {
        "date": now.isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "settings": settings,
        "seconds": round(seconds),
        "parts": [
            asdict(part) | {"bars": [asdict(bar) | {"is_met": bar.is_met} for bar in part.bars]} for part in parts
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y-%m-%d-%H%M%S}.json"
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return path


def _table_of_rows(part: Part) -> Table:
    table = Table(title=part.name, title_justify="left", title_style="bold")
    table.add_column("measured")
    for name in ("median", "min", "max"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    for row in part.rows:
        shown = _printer(row.series.median)
        table.add_row(row.name, shown(row.series.median), shown(row.series.low), shown(row.series.high), row.unit)
    return table


def _table_of_bars(parts: Iterable[Part]) -> Table:
    table = Table(title="Bars", title_justify="left", title_style="bold")
    for name in ("figure", "bar", "measured", "", "note"):
        table.add_column(name, justify="right" if name in ("bar", "measured") else "left")
    for part in parts:
        for bar in part.bars:
            sign = "≤" if bar.at_most else "≥"
            value = "-" if bar.value is None else f"{_printer(bar.value)(bar.value)}{bar.unit}"
            verdict = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "not here"}[bar.is_met]
            table.add_row(bar.figure, f"{sign} {bar.bar:,g}{bar.unit}", value, verdict, bar.note)
    return table


def _printer(value: float) -> Callable[[float], str]:
    """How numbers of this size are printed: three digits that mean something, no more."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return lambda number: f"{number:,.{digits}f}"


def _machine_lines(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"{machine.processor}, {machine.cores} cores used ({' '.join(machine.flags)}), "
        f"{machine.memory_bytes / 2**30:.0f} GiB, {machine.system}, load average before {machine.load_average:.2f}\n"
        f"{versions}"
    )

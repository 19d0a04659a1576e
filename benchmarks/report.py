"""What a benchmark found: figures beside their bars, and how they are printed and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
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
        share: Percent of the machine's bf16 products that Lexel reached, for a multiple of a peer's rate.
        peer_share: Percent of them that the peer reached.
    """

    figure: str
    bar: float
    value: float | None
    at_most: bool = False
    unit: str = "x"
    note: str = ""
    share: float | None = None
    peer_share: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; ``None`` where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured several times.

    Attributes:
        name: What it is.
        series: What was measured.
        unit: What it was measured in.
        plot: Which line or panel of a plot it belongs to, if any.
        label: What it is called there, where that is not said by ``x``.
        x: Where it stands on that plot's axis: characters of a text, slots of a batch, sentences.
        is_peer: Whether this is somebody else's figure.
    """

    name: str
    series: Series
    unit: str
    plot: str = ""
    label: str = ""
    x: float | None = None
    is_peer: bool = False


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


def print_report(
    machine: Machine, parts: Iterable[Part], *, seconds: float, floors: Mapping[str, float] | None = None
) -> None:
    """Print everything as tables on standard output.

    Args:
        machine: What it was measured on.
        parts: What was found.
        seconds: How long that took.
        floors: What figures may not fall below, or rise above, where this kind of processor has floors.
    """
    console = Console(width=None if Console().is_terminal else 140)
    parts = tuple(parts)
    for part in parts:
        console.print(_table_of_rows(part))
        for note in part.notes:
            console.print(f"  {note}", highlight=False)
        console.print()
    console.print(_table_of_bars(parts, floors))
    console.print(machine_lines(machine), highlight=False)
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
        table.add_row(row.name, *shown_series(row.series), row.unit)
    return table


def _table_of_bars(parts: Iterable[Part], floors: Mapping[str, float] | None) -> Table:
    table = Table(title="Bars", title_justify="left", title_style="bold")
    columns = ("figure", "bar", "measured", "of the ceiling", "", *(("floor",) if floors else ()), "note")
    for name in columns:
        table.add_column(name, justify="right" if name in ("bar", "measured", "of the ceiling", "floor") else "left")
    colours = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "not here"}
    for bar in (bar for part in parts for bar in part.bars):
        value = "-" if bar.value is None else f"{shown(bar.value)}{bar.unit}"
        cells = [bar.figure, shown_bar(bar), value, shown_shares(bar), colours[bar.is_met]]
        if floors:
            floor = floors.get(bar.figure)
            cells.append("-" if floor is None else f"{shown(floor)}{bar.unit}")
        table.add_row(*cells, bar.note)
    return table


def shown_shares(bar: Bar) -> str:
    """Lexel's and the peer's share of the ceiling; empty where there are none."""
    if bar.share is None or bar.peer_share is None:
        return ""
    return f"{shown(bar.share)} % / {shown(bar.peer_share)} %"


def shown_bar(bar: Bar) -> str:
    """What a figure must reach, with its unit."""
    return f"{'≤' if bar.at_most else '≥'} {bar.bar:,.10g}{bar.unit}"


def shown(value: float, *, like: float | None = None) -> str:
    """A number with three digits that mean something, no more; or with as many as another one has."""
    size = abs(value if like is None else like)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def shown_series(series: Series) -> tuple[str, str, str]:
    """Median, least and most."""
    middle = series.median
    return shown(middle), shown(series.low, like=middle), shown(series.high, like=middle)


def machine_lines(machine: Machine) -> str:
    """The machine and its versions, a line each."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"{machine.processor}, {machine.cores} cores used ({' '.join(machine.flags)}), "
        f"{machine.memory_bytes / 2**30:.0f} GiB, {machine.system}, load average before {machine.load_average:.2f}\n"
        f"{versions}"
    )

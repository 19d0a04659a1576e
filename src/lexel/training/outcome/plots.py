"""The plot of a training run: losses and scores over the steps, as a self-contained SVG file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from lexel.evaluation.reports.svg import line, svg, text
from lexel.training.outcome.tables import cell, title_of

Row = Mapping[str, Any]
Point = tuple[float, float]
"""A step, and a value."""

_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW, _RIGHT = 560, 190, 52, 30, 46, 16
_LOSSES = ("training_loss", "validation_loss")
_MOST_SERIES = 6
_STYLE = (
    ":root{color-scheme:light dark;--ink:#1d1f23;--soft:#6a6e76;--line:#dcd9d2;"
    "--c0:#3b74b9;--c1:#d18b2a;--c2:#2f8f5b;--c3:#b0488f;--c4:#7a6bc4;--c5:#8a7a3d}"
    "@media (prefers-color-scheme:dark){:root{--ink:#e4e5e8;--soft:#969ca6;--line:#33373e;"
    "--c0:#6ea3e0;--c1:#dea556;--c2:#63bf8d;--c3:#d97fbd;--c4:#a79bea;--c5:#c2b070}}"
    "svg{font:11px system-ui,sans-serif}text{fill:var(--ink)}.soft{fill:var(--soft)}.grid{stroke:var(--line)}"
    "polyline{fill:none;stroke-width:1.5}"
    + "".join(f".s{i}{{stroke:var(--c{i})}}.p{i}{{fill:var(--c{i})}}" for i in range(_MOST_SERIES))
)


def plot(table: Sequence[Row]) -> str:
    """Losses above, scores below, over the steps; NaN values are left out.

    Args:
        table: The rows of a run's table.

    Returns:
        An SVG document, readable on a light and on a dark background.
    """
    panels = [("loss", [_series(table, name) for name in _LOSSES])]
    panels.append(("score", [_series(table, name) for name in _scores_of(table)]))
    shown = [(title, found) for title, series in panels if (found := [one for one in series if one.points])]
    last = max((step for _, series in shown for one in series for step, _ in one.points), default=1.0)
    parts: list[str] = []
    for i, (title, series) in enumerate(shown):
        parts += _Panel(title, series, last_step=last, top=_TOP + i * (_HEIGHT + _TOP + _BELOW)).parts()
    height = max(len(shown), 1) * (_HEIGHT + _TOP + _BELOW)
    return svg(_LEFT + _WIDTH + _RIGHT, height, parts, "loss and score over the steps", style=_STYLE)


@dataclass(frozen=True, slots=True)
class _Series:
    """A column of the table."""

    name: str
    points: Sequence[Point]


def _series(table: Sequence[Row], name: str) -> _Series:
    points = [(float(row["step"]), float(row[name])) for row in table if row.get(name) is not None]
    return _Series(name, [point for point in points if math.isfinite(point[1])])


def _scores_of(table: Sequence[Row]) -> list[str]:
    """F1 of each head; if a head has none, its accuracy or another figure between 0 and 1."""
    found: dict[str, str] = {}
    names = list(dict.fromkeys(name for row in table for name in row))
    for metric in ("f1", "accuracy", "exact_match", "mcc"):
        for name in names:
            head, _, last = name.rpartition("/")
            if last == metric:
                found.setdefault(head, name)
    return sorted(found.values(), key=names.index)[:_MOST_SERIES]


@dataclass(frozen=True, slots=True)
class _Panel:
    """One plot: a frame, its series, and their names."""

    title: str
    series: Sequence[_Series]
    last_step: float
    top: float

    def parts(self) -> Iterator[str]:
        values = [value for one in self.series for _, value in one.points]
        ticks = ticks_of(min(*values, 0.0) if self.title == "loss" else min(values), max(values))
        low, high = ticks[0], ticks[-1]
        for tick in ticks:
            y = self._y(tick, low, high)
            yield line(_LEFT, y, _LEFT + _WIDTH, y, "grid")
            yield text(_LEFT - 6, y + 4, f"{tick:g}", anchor="end", kind="soft")
        for step in ticks_of(0, self.last_step):
            if step <= self.last_step:
                yield text(self._x(step), self.top + _HEIGHT + 16, f"{step:,.0f}", anchor="middle", kind="soft")
        yield text(_LEFT + _WIDTH / 2, self.top + _HEIGHT + 32, "steps", anchor="middle", kind="soft")
        x = float(_LEFT)
        for i, one in enumerate(self.series):
            yield from self._drawn(one, i, low, high)
            yield f'<circle class="p{i}" cx="{x + 4:.1f}" cy="{self.top - 14:.1f}" r="4"/>'
            yield text(x + 12, self.top - 10, title_of(one.name), anchor="start")
            x += 26 + 6.2 * len(title_of(one.name))

    def _drawn(self, one: _Series, i: int, low: float, high: float) -> Iterator[str]:
        places = [(self._x(step), self._y(value, low, high)) for step, value in one.points]
        yield f'<polyline class="s{i}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
        for (step, value), (x, y) in zip(one.points, places, strict=True):
            said = escape(f"{title_of(one.name)} at step {step:,.0f}: {cell(one.name, value)}")
            yield f'<circle class="p{i}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{said}</title></circle>'

    def _x(self, step: float) -> float:
        return _LEFT + _WIDTH * step / self.last_step

    def _y(self, value: float, low: float, high: float) -> float:
        return self.top + _HEIGHT * (1 - (value - low) / (high - low))


def ticks_of(low: float, high: float) -> list[float]:
    """Three to eight round numbers that enclose a range; a very small range is widened."""
    if high - low <= 1e-6 * max(abs(low), abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough)
    first, last = math.floor(low / size + 1e-9), math.ceil(high / size - 1e-9)
    return [round(k * size, 12) for k in range(first, last + 1)]

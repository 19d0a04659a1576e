"""Plots of results as SVG files that need nothing else: bars from zero, and lines over an axis of powers.

Every figure is a median; the thin line across it goes from the least to the most that was measured. They are readable
on light and on dark ground, since they bring their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.measure import Series
from benchmarks.report import shown
from lexel.evaluation.reports.svg import line, rect, svg, text
from lexel.training.outcome.plots import ticks_of

WIDTH = 760
_MARGIN, _CHAR = 20, 6.4
_STYLE = (
    ":root{color-scheme:light dark;--ground:#fff;--ink:#1d1f23;--soft:#6a6e76;--line:#e4e1da;--edge:#dcd9d2;"
    "--ours:#3b74b9;--theirs:#c08a3e}"
    "@media (prefers-color-scheme:dark){:root{--ground:#16181c;--ink:#e4e5e8;--soft:#969ca6;--line:#2b2f36;"
    "--edge:#33373e;--ours:#6ea3e0;--theirs:#cfa05e}}"
    "svg{font:12px system-ui,sans-serif}text{fill:var(--ink)}.soft{fill:var(--soft)}.head{font-weight:600}"
    ".said{paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}"
    ".ground{fill:var(--ground);stroke:var(--edge)}.grid{stroke:var(--line)}.axis{stroke:var(--soft)}"
    ".limit{stroke:var(--ink);stroke-dasharray:4 3}.range{stroke:var(--ink);stroke-width:1.2;opacity:.65}"
    ".ours{fill:var(--ours)}.theirs{fill:var(--theirs)}polyline{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".line-ours{stroke:var(--ours)}.line-theirs{stroke:var(--theirs)}"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: a name, what was measured, and whose it is."""

    name: str
    series: Series
    is_peer: bool


@dataclass(frozen=True, slots=True)
class BarPanel:
    """Bars under each other that share an axis.

    Attributes:
        title: What they have in common.
        bars: From above.
        unit: Of the axis.
        limit: Where a dashed line stands, if anywhere.
        limit_name: What it is.
    """

    title: str
    bars: Sequence[Bar]
    unit: str
    limit: float | None = None
    limit_name: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a name, its points as (place, what was measured), and whose it is."""

    name: str
    points: Sequence[tuple[float, Series]]
    is_peer: bool


@dataclass(frozen=True, slots=True)
class LinePanel:
    """Lines over an axis of powers.

    Attributes:
        title: What they have in common.
        lines: What is drawn.
        x_unit: Of the horizontal axis.
        y_unit: Of the vertical axis.
        is_log: Whether the vertical axis has powers too; otherwise it begins at zero.
    """

    title: str
    lines: Sequence[Line]
    x_unit: str
    y_unit: str
    is_log: bool = False


# Bars ----------------------------------------------------------------------------------------------------------------

_BAR, _STEP, _HEAD, _FOOT = 16, 25, 30, 44


def draw_bars(panels: Sequence[BarPanel], title: str) -> str:
    """Panels of bars under each other.

    Returns:
        An SVG document.
    """
    left = _MARGIN + max(len(bar.name) for panel in panels for bar in panel.bars) * _CHAR + 8
    parts = list(_legend(panels))
    top = 34.0 if parts else 14.0
    for panel in panels:
        parts += _bar_panel(panel, left, top)
        top += _HEAD + _STEP * len(panel.bars) + _FOOT
    return _document(top + 4, parts, title)


def _bar_panel(panel: BarPanel, left: float, top: float) -> Iterator[str]:
    right = WIDTH - _MARGIN - 62
    ticks = ticks_of(0, max(max(bar.series.high for bar in panel.bars), panel.limit or 0.0))
    first, bottom = top + _HEAD, top + _HEAD + _STEP * len(panel.bars)

    def x_of(value: float) -> float:
        return left + (right - left) * value / ticks[-1]

    yield text(_MARGIN, top + 12, panel.title, anchor="start", kind="head")
    for tick in ticks:
        yield line(x_of(tick), first - 4, x_of(tick), bottom, "grid")
        yield text(x_of(tick), bottom + 15, f"{tick:,g}", anchor="middle", kind="soft")
    yield text((left + right) / 2, bottom + 31, panel.unit, anchor="middle", kind="soft")
    for i, bar in enumerate(panel.bars):
        yield from _bar(bar, first + i * _STEP, x_of)
    if panel.limit is not None:
        x = x_of(panel.limit)
        yield line(x, first - 8, x, bottom, "limit")
        yield text(x, first - 12, panel.limit_name, anchor="middle", kind="soft")


def _bar(bar: Bar, y: float, x_of: Callable[[float], float]) -> Iterator[str]:
    kind = "theirs" if bar.is_peer else "ours"
    middle, start = y + _BAR / 2, x_of(0)
    yield text(start - 8, middle + 4, bar.name, anchor="end")
    # What is a difference of two measurements may come out below zero; the number then says so, without a bar.
    yield rect(start, y, max(x_of(bar.series.median) - start, 0), _BAR, kind)
    yield line(x_of(bar.series.low), middle, x_of(bar.series.high), middle, "range")
    yield text(max(x_of(bar.series.high), start) + 7, middle + 4, shown(bar.series.median), anchor="start")


def _legend(panels: Sequence[BarPanel]) -> Iterator[str]:
    """Whose the colours are, where both stand in the plot."""
    if len({bar.is_peer for panel in panels for bar in panel.bars}) < 2:
        return
    x = float(WIDTH - _MARGIN - 128)
    for kind, name, step in (("ours", "Lexel", 64), ("theirs", "peers", 0)):
        yield rect(x, 17, 11, 11, kind)
        yield text(x + 17, 27, name, anchor="start", kind="soft")
        x += step


# Lines ---------------------------------------------------------------------------------------------------------------

_TOP, _HEIGHT, _LEFT, _GAP, _INSET = 64, 220, 60, 30, 24


def draw_lines(panels: Sequence[LinePanel], title: str) -> str:
    """Panels of lines beside each other.

    Returns:
        An SVG document.
    """
    width = (WIDTH - 2 * _MARGIN - _GAP * (len(panels) - 1)) / len(panels)
    parts: list[str] = []
    for i, panel in enumerate(panels):
        parts += _Frame(panel, _MARGIN + i * (width + _GAP), width).parts()
    return _document(_TOP + _HEIGHT + 54, parts, title)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A panel of lines in its place."""

    panel: LinePanel
    start: float
    width: float

    def parts(self) -> Iterator[str]:
        panel, left, right, bottom = self.panel, self._left, self._right, _TOP + _HEIGHT
        yield text(self.start, 26, panel.title, anchor="start", kind="head")
        yield text(self.start, 43, panel.y_unit, anchor="start", kind="soft")
        for tick in self._ticks:
            yield line(left, self._y(tick), right, self._y(tick), "grid")
            yield text(left - 7, self._y(tick) + 4, f"{tick:,g}", anchor="end", kind="soft")
        yield line(left, bottom, right, bottom, "axis")
        for place in self._places:
            yield line(self._x(place), bottom, self._x(place), bottom + 4, "axis")
        for x, y, said in _without_touching([(self._x(place), bottom + 18, f"{place:,g}") for place in self._places]):
            yield text(x, y, said, anchor="middle", kind="soft")
        yield text((left + right) / 2, bottom + 37, panel.x_unit, anchor="middle", kind="soft")
        for one in panel.lines:
            yield from self._line(one)

    def _line(self, one: Line) -> Iterator[str]:
        kind = "theirs" if one.is_peer else "ours"
        places = [(self._x(x), self._y(series.median)) for x, series in one.points]
        yield f'<polyline class="line-{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
        paired = list(zip(places, one.points, strict=True))
        for (x, y), (_, series) in paired:
            yield line(x, self._y(series.low), x, self._y(series.high), "range")
            yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        for x, y, said in _without_touching([(x, y, shown(series.median)) for (x, y), (_, series) in paired]):
            yield text(x, y - 10, said, anchor="middle", kind="said")
        if len(self.panel.lines) > 1:
            x, y = places[-1]
            yield text(self._right, y + 20, one.name, anchor="end", kind=f"{kind} head said")

    @property
    def _places(self) -> list[float]:
        return sorted({x for one in self.panel.lines for x, _ in one.points})

    @property
    def _ticks(self) -> list[float]:
        values = [value for one in self.panel.lines for _, series in one.points for value in series.values]
        return powers_of(min(values), max(values)) if self.panel.is_log else ticks_of(0, max(values) * 1.06)

    @property
    def _left(self) -> float:
        return self.start + _LEFT

    @property
    def _right(self) -> float:
        return self.start + self.width - 22

    def _x(self, place: float) -> float:
        places = self._places
        low, high = math.log(places[0]), math.log(places[-1])
        share = (math.log(place) - low) / (high - low or 1)
        return self._left + _INSET + (self._right - self._left - 2 * _INSET) * share

    def _y(self, value: float) -> float:
        low, high = self._ticks[0], self._ticks[-1]
        share = math.log(value / low) / math.log(high / low) if self.panel.is_log else (value - low) / (high - low)
        return _TOP + _HEIGHT * (1 - share)


def _without_touching(labels: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """The labels that fit beside each other, as (x, y, what is said): the highest, both ends, and then what is left."""
    middle = sorted(labels[1:-1], key=lambda label: label[1])
    kept: list[tuple[float, float, str]] = []
    for label in [min(labels, key=lambda one: one[1]), labels[0], labels[-1], *middle]:
        if all(abs(label[0] - other[0]) > _CHAR * (len(label[2]) + len(other[2]) + 3) / 2 for other in kept):
            kept.append(label)
    return kept


def powers_of(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten that enclose a range; only as many as are needed.

    >>> powers_of(300, 4_200)
    [200.0, 500.0, 1000.0, 2000.0, 5000.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    below = max(step for step in steps if step <= low)
    above = min(step for step in steps if step >= high and step > below)
    return [step for step in steps if below <= step <= above]


def _document(height: float, parts: Sequence[str], title: str) -> str:
    ground = f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="6"/>'
    return svg(WIDTH, height, [ground, *parts], title, style=_STYLE) + "\n"

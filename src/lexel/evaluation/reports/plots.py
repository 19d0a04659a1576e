"""The plots of the page, as inline SVG; colours and fonts come from ``page.css``."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from unicodedata import east_asian_width

from lexel.evaluation.reports.svg import line, rect, svg, text
from lexel.metrics.calibration import Reliability
from lexel.metrics.scores import Estimate

Bar = tuple[str, Sequence[tuple[str, Estimate]], int]
"""A label, its scores by name, and the number of gold spans."""

_ROW, _GAP, _LEFT, _WIDTH, _RIGHT = 11, 9, 110, 330, 90
_CHAR = 6.4
"""Width of a narrow character at the text size of the plots."""
_SIDE, _MARGIN = 240, 34
_COLUMN, _HEIGHT = 58, 190


def bar_chart(bars: Sequence[Bar], *, unit: str = "gold") -> str:
    """Horizontal bars from 0 to 1 with their intervals; several scores of a label are below each other.

    Args:
        bars: The bars.
        unit: Unit of the number after each label.
    """
    left = max([_LEFT, *(_width_of(label) + 14 for label, _, _ in bars)])
    beside = [_values(scores, n_gold) for _, scores, n_gold in bars]
    right = max([_RIGHT, *(_width_of(values) + 16 for values in beside)])
    parts: list[str] = []
    y = 4.0
    for (label, scores, n_gold), values in zip(bars, beside, strict=True):
        middle = y + _ROW * len(scores) / 2
        parts.append(text(left - 8, middle + 4, label, anchor="end"))
        for i, (name, score) in enumerate(scores):
            title = f"{label}, {name}: {_said(score)}; {n_gold:,} {unit}"
            parts.append(_bar(score, left, y + i * _ROW, kind=i, title=title))
        parts.append(text(left + _WIDTH + 10, middle + 4, values, anchor="start"))
        y += _ROW * len(scores) + _GAP
    grid = [line(left + share * _WIDTH, 0, left + share * _WIDTH, y, "grid") for share in (0, 0.25, 0.5, 0.75, 1)]
    return svg(left + _WIDTH + right, y + 2, [*grid, *parts], "F1 by label")


def _values(scores: Sequence[tuple[str, Estimate]], n_gold: int) -> str:
    return f"{' / '.join(f'{100 * score.value:.1f}' for _, score in scores)}  ({n_gold:,})"


def _width_of(said: str) -> float:
    """Approximate width of a text; Chinese characters take two columns."""
    return _CHAR * sum(2 if east_asian_width(char) in "WF" else 1 for char in said)


def _bar(score: Estimate, x: float, y: float, *, kind: int, title: str) -> str:
    bar = rect(x, y, _WIDTH * score.value, _ROW - 2, f"bar k{kind}")
    return f"<g><title>{escape(title)}</title>{bar}{_whisker(score, x, y + _ROW / 2 - 1)}</g>"


def _whisker(score: Estimate, x: float, y: float) -> str:
    if score.low is None or score.high is None:
        return ""
    return line(x + score.low * _WIDTH, y, x + score.high * _WIDTH, y, "whisker")


def reliability_plot(reliability: Reliability, *, of: str) -> str:
    """Share right over score: bars of the bins, the diagonal of perfect calibration, and the count of each bin."""
    return svg(*_RELIABILITY_SIZE, _reliability_parts(reliability, of=of), f"share right over score of {of}")


def reliability_file(layers: Sequence[tuple[str, Reliability]]) -> str:
    """The same for several layers side by side, as a self-contained SVG file."""
    width, height = _RELIABILITY_SIZE
    parts: list[str] = []
    for i, (name, reliability) in enumerate(layers):
        said = f"{name}: calibration error {100 * reliability.expected_error:.1f}"
        inside = [
            *_reliability_parts(reliability, of=name),
            text(_MARGIN + _SIDE / 2, _y(1) - 6, said, anchor="middle"),
        ]
        parts.append(f'<g transform="translate({i * width:.0f} 12)">{"".join(inside)}</g>')
    names = ", ".join(name for name, _ in layers)
    return svg(width * len(layers), height + 12, parts, f"share right over score of {names}", style=_FILE_STYLE)


def _reliability_parts(reliability: Reliability, *, of: str) -> list[str]:
    n_bins, most = len(reliability.counts), max([*reliability.counts, 1])
    width = _SIDE / n_bins
    parts = _axes()
    for i, (count, score, share) in enumerate(
        zip(reliability.counts, reliability.mean_scores, reliability.shares_right, strict=True)
    ):
        if count:
            x = _MARGIN + i * width
            title = f"{of}: {count:,} with a mean score of {score:.3f}, {100 * share:.1f} % right"
            bar = rect(x + 1, _y(share), width - 2, _SIDE * share, "bar k0")
            dot = f'<circle class="dot" cx="{_MARGIN + score * _SIDE:.1f}" cy="{_y(share):.1f}" r="3"/>'
            share_of_all = rect(x + 1, _y(0) + 22 + 26 * (1 - count / most), width - 2, 26 * count / most, "count")
            parts.append(f"<g><title>{escape(title)}</title>{bar}{dot}{share_of_all}</g>")
    parts.append(line(_MARGIN, _y(0), _MARGIN + _SIDE, _y(1), "diagonal"))
    parts.append(text(_MARGIN + _SIDE / 2, _y(0) + 64, "score (below: how many)", anchor="middle"))
    return parts


def _axes() -> list[str]:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(_MARGIN, _y(share), _MARGIN + _SIDE, _y(share), "grid"))
        parts.append(text(_MARGIN - 6, _y(share) + 4, f"{share:g}", anchor="end"))
        parts.append(text(_MARGIN + share * _SIDE, _y(0) + 14, f"{share:g}", anchor="middle"))
    return parts


def _y(share: float) -> float:
    return _MARGIN - 20 + _SIDE * (1 - share)


_RELIABILITY_SIZE = _SIDE + _MARGIN + 12, _y(0) + 70
_FILE_STYLE = (
    ":root{color-scheme:light dark;--ink:#1d1f23;--soft:#6a6e76;--line:#dcd9d2;--one:#3b74b9}"
    "@media (prefers-color-scheme:dark){:root{--ink:#e4e5e8;--soft:#969ca6;--line:#33373e;--one:#6ea3e0}}"
    "svg{font:11px system-ui,sans-serif}text,.dot{fill:var(--ink)}.grid{stroke:var(--line)}.count{fill:var(--soft)}"
    ".bar{fill-opacity:.75}.k0{fill:var(--one)}.diagonal{stroke:var(--soft);stroke-dasharray:4 3}"
)


def column_chart(columns: Sequence[tuple[str, Estimate, int]], *, unit: str) -> str:
    """Columns from 0 to 1 with intervals: a label, its score, and the number of documents."""
    base, parts = _HEIGHT + 14, []
    right = _MARGIN + _COLUMN * len(columns)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = base - share * _HEIGHT
        parts += [line(_MARGIN, y, right, y, "grid"), text(_MARGIN - 6, y + 4, f"{share:g}", anchor="end")]
    for i, (label, score, n_documents) in enumerate(columns):
        x, top = _MARGIN + i * _COLUMN + 9, base - score.value * _HEIGHT
        middle = x + (_COLUMN - 18) / 2
        title = f"{label} {unit}: {_said(score)}; {n_documents:,} documents"
        drawn = rect(x, top, _COLUMN - 18, base - top, "bar k0")
        if score.low is not None and score.high is not None:
            drawn += line(middle, base - score.low * _HEIGHT, middle, base - score.high * _HEIGHT, "whisker")
        drawn += text(middle, base + 14, label, anchor="middle")
        drawn += text(middle, base + 28, f"({n_documents:,})", anchor="middle", kind="soft")
        parts.append(f"<g><title>{escape(title)}</title>{drawn}</g>")
    parts.append(text((_MARGIN + right) / 2, base + 46, f"{unit} (documents)", anchor="middle"))
    return svg(max(right + 12, 240), base + 52, parts, f"F1 by {unit}")


def _said(score: Estimate) -> str:
    said = f"{100 * score.value:.2f}"
    if score.low is None or score.high is None:
        return said
    return f"{said} ({100 * score.low:.2f} to {100 * score.high:.2f})"

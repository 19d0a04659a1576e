"""The parts of a plot as SVG; they have classes, and a style sheet defines their look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_SMALLEST = 0.72
"""Smallest scale of a plot on a page before it scrolls."""


def svg(width: float, height: float, parts: Sequence[str], title: str, *, style: str | None = None) -> str:
    """A plot of these parts.

    Args:
        width: In pixels.
        height: In pixels.
        parts: Its parts.
        title: A description for screen readers.
        style: A style sheet, for a plot in its own file; a plot on a page uses the page's.
    """
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    if style is None:  # a page shrinks its plots to the window, but keeps their text readable
        size += f' style="min-width:{_SMALLEST * width:.0f}px"'
    space, sheet = ("", "") if style is None else (' xmlns="http://www.w3.org/2000/svg"', f"<style>{style}</style>")
    return f'<svg{space} role="img" aria-label="{escape(title)}" {size}>{sheet}{"".join(parts)}</svg>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A rectangle."""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, said: str, *, anchor: str, kind: str = "") -> str:
    """A text that starts, ends or is centred at a point."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'

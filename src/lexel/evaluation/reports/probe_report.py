"""The result of a probe in the terminal, as JSON and as a page with a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from lexel.data.files import Target, open_output
from lexel.evaluation.probe.probe import ProbeResult
from lexel.evaluation.reports import plots
from lexel.evaluation.reports.layout import Figure, write_page_file
from lexel.evaluation.reports.layout import Table as PageTable
from lexel.evaluation.reports.report import interval_of, percent

FORMAT = 1
_BAR_COLUMNS = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEAD = ("layer", "score", "95 %", "penalty")


def show(result: ProbeResult, console: Console) -> None:
    """Draw a probe in a terminal: one line per layer, with a bar from 0 to 100."""
    shown = Table(title=result.metric, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in _HEAD:
        shown.add_column(name, justify="right", header_style="dim", no_wrap=True)
    shown.add_column("")
    bars = [bar(result.baseline.value), *(bar(layer.score.value) for layer in result.layers)]
    for row, drawn in zip(_rows(result), bars, strict=True):
        shown.add_row(*row, drawn)
    console.print(shown)
    for line in remarks(result):
        console.print(line, style="dim", highlight=False, markup=False)


def _rows(result: ProbeResult) -> list[tuple[str, ...]]:
    baseline = ("baseline", percent(result.baseline.value), interval_of(result.baseline), "")
    return [
        baseline,
        *(
            (str(each.layer), percent(each.score.value), interval_of(each.score), f"{each.penalty:g}")
            for each in result.layers
        ),
    ]


def bar(share: float) -> str:
    """A share as a bar of block characters, to an eighth of a column."""
    eighths = round(share * _BAR_COLUMNS * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def remarks(result: ProbeResult) -> list[str]:
    """Notes for readers of the figures, one line each."""
    fitted, chosen, scored = (
        f"{n_items:,} pieces of {n_documents:,} documents"
        for n_items, n_documents in zip(result.n_items, result.n_documents, strict=True)
    )
    return [
        f"best: layer {result.best.layer}; layer 0 is the embeddings, which know no context",
        f"fitted to {fitted}, penalty chosen on {chosen}, scored on {scored}",
        "baseline: always the most frequent label",
    ]


def as_json(result: ProbeResult, *, made: Mapping[str, Any]) -> dict[str, Any]:
    """A probe as JSON values."""
    return {"format": FORMAT, **made, "best": result.best.layer, **asdict(result)}


def write_json(result: ProbeResult, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a probe as JSON.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        output.write(json.dumps(as_json(result, made=made), indent=2) + "\n")


def write_page(result: ProbeResult, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a probe as a self-contained HTML page.

    Raises:
        DataError: If the file cannot be written.
    """
    columns = [(str(each.layer), each.score, result.n_documents[2]) for each in result.layers]
    write_page_file(
        out,
        "probe.html",
        title=f"{result.target} in the layers of {made['model']['name']}",
        subtitle=made["when"],
        figures=[Figure(result.metric, plots.column_chart(columns, unit="layer"))],
        scores=PageTable(_HEAD, _rows(result)),
        remarks=remarks(result),
        made=made,
    )

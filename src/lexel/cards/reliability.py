"""Card section on the calibration of scores: the plot and the text next to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lexel.cards import markdown
from lexel.cards.facts import RELIABILITY_PLOT, Facts
from lexel.evaluation.reports.plots import reliability_file
from lexel.metrics.calibration import Reliability

_LAYERS = ("words", "pos", "entities")

Values = Mapping[str, Any]


def plot_of(facts: Facts) -> str | None:
    """The plot of the most informative report: the first test set with entities, else any set; ``None`` without one."""
    reports = [report for report in facts.reports if _measured(report)]
    best = max(
        reports, key=lambda report: (len(_measured(report)), facts.report_name(report)[1] == "test"), default=None
    )
    return (
        None if best is None else reliability_file([(name, _read(values)) for name, values in _measured(best).items()])
    )


def scores(facts: Facts) -> str:
    """The calibration error of each layer on each set, how the heads were calibrated, and the plot."""
    rows = [
        (
            markdown.text(facts.report_name(report)[0]),
            facts.report_name(report)[1] or "",
            *(_error(_measured(report).get(layer)) for layer in _LAYERS),
        )
        for report in facts.reports
        if _measured(report)
    ]
    if not rows:
        return ""
    said = (
        "Of predictions with a score of 0.8, four in five should be right. The mean gap (calibration error), in points:"
    )
    has_plot = (facts.folder / RELIABILITY_PLOT).is_file()
    return markdown.paragraphs(
        said,
        markdown.table(("data", "part", *_LAYERS), rows, numbers=_LAYERS),
        markdown.bullets(_calibrations(facts)),
        f"![Share right over score]({RELIABILITY_PLOT})" if has_plot else None,
    )


def _calibrations(facts: Facts) -> Iterator[str]:
    for head in facts.heads.heads.values():
        tuned = head.tuned
        if not (data := tuned.record.get("data")):
            continue
        before, after = (100 * error for error in tuned.record["expected_error"])
        files = ", ".join(map(markdown.code, data))
        line = (
            f"**{markdown.text(head.name)}** was calibrated on {files}: error {before:.1f} before, {after:.1f} after."
        )
        if tuned.min_score:
            line += f" Entities with a score below {tuned.min_score:g} are left out, unless `min_score` says otherwise."
        yield line


def _measured(report: Values) -> dict[str, Values]:
    """Reliability by layer, if a report has it."""
    results = report.get("results") or {}
    found = {layer: (results.get(layer) or {}).get("reliability") for layer in _LAYERS}
    return {layer: values for layer, values in found.items() if values}


def _error(values: Values | None) -> str:
    return "" if values is None else f"{100 * values['expected_error']:.2f}"


def _read(values: Values) -> Reliability:
    return Reliability(values["expected_error"], values["counts"], values["mean_scores"], values["shares_right"])

"""Rate and memory over ever more sentences, which must not change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.measure import Child, Series, in_turns, run_child
from benchmarks.report import Bar, Part, Row
from benchmarks.setting import Setting

MIB = 2**20
RATE, PEAK = "rate", "peak memory"


def measure_growth(setting: Setting) -> Part:
    """The bundled model in fresh processes, each warmed up by the smallest number of sentences."""
    counts = setting.sizes.counts
    found: dict[str, tuple[Child, ...]] = in_turns(
        {
            f"{n:,} sentences": partial(run_child, "lexel", threads=setting.threads, warm_up=counts[0], sentences=n)
            for n in counts
        },
        repetitions=setting.sizes.fewer_repetitions,
        what="growth",
    )
    rates = _each(found, lambda values: values["chars"] / values["seconds"])
    peaks = _each(found, lambda values: values["peak_bytes"] / MIB)
    rows = [
        Row(f"{what}, {name}", series, unit, plot=what, x=n)
        for what, measured, unit in ((RATE, rates, "chars/s"), (PEAK, peaks, "MiB"))
        for n, (name, series) in zip(counts, measured.items(), strict=True)
    ]
    return Part(
        "More and more sentences, bundled model",
        rows,
        [
            Bar("rate over all numbers of sentences, largest over smallest", 1.1, _spread(rates), at_most=True),
            Bar("memory over all numbers of sentences, largest over smallest", 1.1, _spread(peaks), at_most=True),
        ],
    )


def _each(found: Mapping[str, Sequence[Child]], measured: Callable[[Mapping[str, Any]], float]) -> dict[str, Series]:
    return {name: Series(tuple(measured(child.values) for child in children)) for name, children in found.items()}


def _spread(series: dict[str, Series]) -> float:
    medians = [one.median for one in series.values()]
    return max(medians) / min(medians)

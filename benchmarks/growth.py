"""Rate and memory over ever more sentences, which must not change."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Child, Series, in_turns, run_child
from benchmarks.report import Bar, Part, Row
from benchmarks.setting import Setting

MIB = 2**20


def measure_growth(setting: Setting) -> Part:
    """The bundled model in fresh processes, each warmed up by the smallest number of sentences."""
    counts = setting.sizes.counts
    found: dict[str, tuple[Child, ...]] = in_turns(
        {
            f"{n:,} sentences": partial(run_child, "lexel", threads=setting.threads, warm_up=counts[0], sentences=n)
            for n in counts
        },
        repetitions=setting.sizes.repetitions,
        what="growth",
    )
    rates = {
        name: Series(tuple(child.values["chars"] / child.values["seconds"] for child in children))
        for name, children in found.items()
    }
    peaks = {
        name: Series(tuple(child.values["peak_bytes"] / MIB for child in children)) for name, children in found.items()
    }
    rows = [Row(f"rate, {name}", series, "chars/s") for name, series in rates.items()]
    rows += [Row(f"peak memory, {name}", series, "MiB") for name, series in peaks.items()]
    return Part(
        "More and more sentences, bundled model",
        rows,
        [
            Bar("rate over all numbers of sentences, largest over smallest", 1.1, _spread(rates), at_most=True),
            Bar("memory over all numbers of sentences, largest over smallest", 1.1, _spread(peaks), at_most=True),
        ],
    )


def _spread(series: dict[str, Series]) -> float:
    medians = [one.median for one in series.values()]
    return max(medians) / min(medians)

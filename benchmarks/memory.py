"""The most memory that fresh processes hold while they read, beside transformers' in the same precision."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.machine import precisions
from benchmarks.measure import Series, in_turns, run_child
from benchmarks.peers import DTYPES, pipeline_name
from benchmarks.report import Bar, Part, Row, ratio
from benchmarks.setting import Setting

MIB = 2**20


def measure_memory(setting: Setting) -> Part:
    """Peak resident memory over all sentences, file mappings included."""

    def peak(reader: str, **options: Any) -> float:
        child = run_child(
            reader,
            threads=setting.threads,
            folder=setting.folders.bert,
            sentences=setting.sizes.fewer_sentences,
            **options,
        )
        return float(child.values["peak_bytes"]) / MIB

    contestants = {f"Lexel {precision}": partial(peak, "lexel", precision=precision) for precision in precisions()}
    peers = {
        f"{pipeline_name(precision)}, batches of 8": partial(peak, "transformers", batch=8, dtype=DTYPES[precision])
        for precision in precisions()
    }
    found = in_turns(
        contestants | peers,
        repetitions=setting.sizes.fewer_repetitions,
        what="memory",
    )
    peaks = Series.each(found)
    bars = [
        Bar(
            f"peak memory, {precision}, against transformers' pipeline in {precision} at batch 8",
            bar,
            ratio(peaks[f"Lexel {precision}"], peaks[f"{pipeline_name(precision)}, batches of 8"])
            if precision in precisions()
            else None,
            at_most=True,
        )
        for precision, bar in (("bf16", 1.0), ("float32", 1.15))
    ]
    return Part(
        "Peak memory", [Row(name, series, "MiB", is_peer=name in peers) for name, series in peaks.items()], bars
    )

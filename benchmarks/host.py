"""Everything but the encoder, on one core: pieces, packing, decoding, Documents, and reading every word."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Series, in_turns, run_child
from benchmarks.report import Bar, Part, Row
from benchmarks.setting import Setting

NOTE = "the bundled model's three heads over scores from a table; the processor's time of one core, one thread"


def measure_host(setting: Setting) -> Part:
    """Lexel with all heads of the bundled model, over WordPiece and over characters."""

    def chars_per_s(folder: str | None) -> float:
        options = {} if folder is None else {"folder": folder}
        values = run_child(
            "lexel-without-encoder",
            threads=1,
            one_core=True,
            warm_up=setting.sizes.bundled_sentences,
            sentences=setting.sizes.bundled_sentences,
            **options,
        ).values
        return float(values["chars"] / values["cpu_seconds"])

    bars = {"WordPiece path": 300_000, "character mode": 600_000}
    folders = {"WordPiece path": setting.folders.wordpiece, "character mode": None}
    found = in_turns(
        {name: partial(chars_per_s, folder) for name, folder in folders.items()},
        repetitions=setting.sizes.repetitions,
        what="everything but the encoder",
    )
    rates = {name: Series(values) for name, values in found.items()}
    return Part(
        "Everything but the encoder, one core",
        [Row(name, series, "chars/s") for name, series in rates.items()],
        [
            Bar(f"everything but the encoder, {name}", bar, rates[name].median, unit=" chars/s")
            for name, bar in bars.items()
        ],
        [NOTE],
    )

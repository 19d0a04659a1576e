"""One process from its start to its first result, beside transformers'."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Series, in_turns, run_child
from benchmarks.report import Bar, Part, Row, ratio
from benchmarks.setting import Setting

LEXEL, PIPELINE, BUNDLED = "Lexel, BERT", "transformers pipeline, BERT", "Lexel, bundled model"


def measure_startup(setting: Setting) -> Part:
    """Fresh processes that read one sentence; the files are in the system's cache for everyone."""
    start = partial(run_child, threads=setting.threads)
    found = in_turns(
        {
            LEXEL: lambda: start("lexel", folder=setting.folders.bert).first_result_s,
            PIPELINE: lambda: start("transformers", folder=setting.folders.bert).first_result_s,
            BUNDLED: lambda: start("lexel").first_result_s,
        },
        repetitions=setting.sizes.repetitions,
        what="start",
    )
    seconds = Series.each(found)
    bar = Bar(
        "one process, start to first result, against transformers'",
        0.4,
        ratio(seconds[LEXEL], seconds[PIPELINE]),
        at_most=True,
    )
    return Part(
        "Start to first result",
        [Row(name, series, "s", is_peer=name == PIPELINE) for name, series in seconds.items()],
        [bar],
    )

"""Words alone: the fast Chinese model beside ``jieba.cut``, each in a process of its own on the same cores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.measure import Series, in_turns, run_child
from benchmarks.report import Bar, Part, Row
from benchmarks.setting import Setting
from benchmarks.shares import over
from benchmarks.texts import SCRIPTS

LEXEL, JIEBA = "Lexel, zh-fast", "jieba.cut"
MODEL = "zh-fast"


def measure_fast(setting: Setting) -> Part:
    """Both read the same sentences, a script at a time; jieba uses one core, Lexel all that it is given."""
    n = setting.sizes.bundled_sentences
    contestants: dict[str, Callable[[], float]] = {}
    for script in SCRIPTS:
        contestants[f"{LEXEL}, {script}"] = partial(_rate, "lexel-words", n, script, threads=setting.threads)
        contestants[f"{JIEBA}, {script}"] = partial(_rate, "jieba-words", n, script, threads=1)
        contestants[f"{LEXEL}, {script}, one core"] = partial(_rate_of_a_core, n, script)
    rates = Series.each(in_turns(contestants, repetitions=setting.sizes.repetitions, what="words alone"))
    bars: list[Bar] = [
        over(
            f"zh-fast over jieba.cut, {script} text, a process each",
            1,
            mine=f"{LEXEL}, {script}",
            theirs=f"{JIEBA}, {script}",
            rates=rates,
        )
        for script in SCRIPTS
    ]
    rows = [Row(name, series, "chars/s", is_peer=name.startswith(JIEBA)) for name, series in rates.items()]
    notes = [
        "fresh processes that have read the same sentences once before; the text of every word is looked at",
        f"{setting.threads} cores for each process; jieba uses one of them",
        "one core: by the process's processor time",
    ]
    return Part("Words alone", rows, bars, notes)


def _rate(reader: str, n: int, script: str, *, threads: int) -> float:
    folder = {"folder": MODEL} if reader == "lexel-words" else {}
    values = run_child(reader, threads=threads, texts=script, warm_up=n, sentences=n, **folder).values
    return float(values["chars"] / values["seconds"])


def _rate_of_a_core(n: int, script: str) -> float:
    child = run_child("lexel-words", threads=1, one_core=True, texts=script, warm_up=n, sentences=n, folder=MODEL)
    return float(child.values["chars"] / child.values["cpu_seconds"])

"""Everything but the encoder, on one core: pieces alone, Documents that nobody reads, and reading every word."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.measure import Series, in_turns, run_child
from benchmarks.report import Bar, Part, Row
from benchmarks.setting import Setting
from benchmarks.texts import all_sentences

UNIT = "chars/s"
WORDPIECE, CHARACTERS = "Documents read, WordPiece path", "Documents read, character mode"
UNREAD = "Documents unread, character mode"
PIECES = "pieces of Chinese text, vectorised"
NOTES = (
    "the processor's time of one core, one thread, in a fresh process that has read the same sentences once before",
    "Documents: the bundled model's three heads over scores from a table; read means the text and tag of every word",
    "pieces: WordPiece with offsets; real Chinese sentences, with the digits and Latin letters that stand in them; "
    "mixed: Chinese and English sentences in turns; first time: no sentence and no character seen before, "
    "which is what to compare with the library: Lexel remembers words that it has seen, the library does not",
)


def measure_host(setting: Setting) -> Part:
    """Lexel's pieces beside those of the tokenizers library, and Documents with all heads of the bundled model."""
    found = in_turns(_contestants(setting), repetitions=setting.sizes.repetitions, what="everything but the encoder")
    rates = {name: Series(values) for name, values in found.items()}
    bars = {
        "everything but the encoder, WordPiece path": (WORDPIECE, 300_000),
        "everything but the encoder, character mode": (CHARACTERS, 600_000),
        PIECES: (PIECES, 10_000_000),
    }
    return Part(
        "Everything but the encoder, one core",
        [Row(name, series, UNIT) for name, series in rates.items()],
        [Bar(figure, bar, rates[name].median, unit=f" {UNIT}") for figure, (name, bar) in bars.items()],
        NOTES,
    )


def _contestants(setting: Setting) -> dict[str, Callable[[], float]]:
    """What is measured, by name."""
    n, wordpiece = setting.sizes.bundled_sentences, {"folder": setting.folders.wordpiece}
    again, first_time = {"warm_up": n, "sentences": n}, {"sentences": min(n, len(all_sentences()))}
    ours, library = partial(_chars_per_s, "lexel-pieces"), partial(_chars_per_s, "library-pieces")
    return {
        PIECES: partial(ours, **wordpiece, **again),
        "pieces of Chinese text, vectorised, first time": partial(ours, **wordpiece, **first_time),
        "pieces of Chinese text, tokenizers library": partial(library, **wordpiece, **again),
        "pieces of Chinese text, tokenizers library, first time": partial(library, **wordpiece, **first_time),
        "pieces of mixed text, vectorised": partial(ours, **wordpiece, **again, texts="mixed"),
        "pieces of mixed text, tokenizers library": partial(library, **wordpiece, **again, texts="mixed"),
        UNREAD: partial(_chars_per_s, "lexel-unread", **again),
        WORDPIECE: partial(_chars_per_s, "lexel-without-encoder", **wordpiece, **again),
        CHARACTERS: partial(_chars_per_s, "lexel-without-encoder", **again),
    }


def _chars_per_s(reader: str, **options: object) -> float:
    values = run_child(reader, threads=1, one_core=True, **options).values
    return float(values["chars"] / values["cpu_seconds"])

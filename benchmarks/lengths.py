"""Characters a second by the length of a text: everyone reads as many characters at each length."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.machine import precisions
from benchmarks.measure import Series, in_turns, rate
from benchmarks.peers import PIPELINE, by_batch_and_precision, choose
from benchmarks.readers import lexel_reader, transformers_long_reader
from benchmarks.report import Part, Row
from benchmarks.setting import Setting
from benchmarks.texts import texts_of_length

RATE = "chars/s"


def measure_lengths(setting: Setting) -> Part:
    """Lexel, and the pipeline with windows and the batch size and precision that are best at that length, in turns."""
    sizes, precision = setting.sizes, precisions()[0]
    lexel = f"Lexel {precision}"
    ours = lexel_reader(setting.folders.bert, threads=setting.threads, precision=precision)
    make = partial(transformers_long_reader, setting.folders.bert, threads=setting.threads)
    contestants: dict[tuple[str, int], Callable[[], float]] = {}
    notes = []
    for length in sizes.lengths:
        texts = texts_of_length(length, n_chars=sizes.length_chars)
        ours(texts)  # compiles for the shapes
        peer = choose(
            f"{PIPELINE}, {length:,} characters a text",
            by_batch_and_precision(make, sizes.pipeline_batches),
            texts[: -(-len(texts) // 4)],
        )
        notes.append(peer.note)
        contestants[lexel, length] = partial(rate, ours, texts)
        contestants[PIPELINE, length] = partial(rate, peer.read, texts)
    found = in_turns(
        {f"{name}, {length:,} characters a text": once for (name, length), once in contestants.items()},
        repetitions=sizes.fewer_repetitions,
        what="lengths",
    )
    rows = [
        Row(label, series, RATE, plot=name, x=length, is_peer=name == PIPELINE)
        for (name, length), (label, series) in zip(contestants, Series.each(found).items(), strict=True)
    ]
    return Part("By length of the text", rows, [], notes)

"""Characters a second by how many slots a batch may have (``batch_pieces``)."""

from __future__ import annotations

from functools import partial

from benchmarks.machine import precisions
from benchmarks.measure import Series, in_turns, rate
from benchmarks.readers import Reader, lexel_reader
from benchmarks.report import Part, Row
from benchmarks.setting import Setting
from benchmarks.texts import sentences

RATE = "chars/s"


def measure_budgets(setting: Setting) -> Part:
    """Lexel with the measured BERT and with the bundled model, every budget in turns."""
    sizes, threads, precision = setting.sizes, setting.threads, precisions()[0]
    models = {
        f"{sizes.shape.name}, {precision}": (
            partial(lexel_reader, setting.folders.bert, threads=threads, precision=precision),
            list(sentences(sizes.sentences)),
        ),
        "Bundled model": (partial(lexel_reader, None, threads=threads), list(sentences(sizes.small_sentences))),
    }
    keys, contestants = [], {}
    for model, (make, texts) in models.items():
        for budget in sizes.budgets:
            read: Reader = make(batch_pieces=budget)
            read(texts)  # compiles for the shapes
            keys.append((model, budget))
            contestants[f"{model}, batches of {budget:,} slots"] = partial(rate, read, texts)
    found = in_turns(contestants, repetitions=sizes.fewer_repetitions, what="budgets")
    rows = [
        Row(label, series, RATE, plot=model, x=budget)
        for (model, budget), (label, series) in zip(keys, Series.each(found).items(), strict=True)
    ]
    return Part("By slots of a batch", rows, [])

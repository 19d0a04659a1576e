"""Characters a second of one BERT-base by everyone who can run it, and of the bundled model beside jieba."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.ceiling import Ceiling, CeilingMeter, useful_flop
from benchmarks.machine import has_bf16, has_int8, precisions
from benchmarks.measure import Series, in_turns, rate
from benchmarks.peers import CKIP, PIPELINE, Peer, best_driver, best_exported, best_pipeline, exported_name
from benchmarks.readers import Reader, jieba_reader, jieba_words_reader, lexel_reader
from benchmarks.report import Bar, Part, Row, ratio
from benchmarks.setting import Setting
from benchmarks.texts import sentences
from lexel.text.tokenizer import load_tokenizer

RATE = "chars/s"
SHARE = "share of the ceiling"
UNSORTED = (CKIP, PIPELINE)
"""Peers that take texts as they come, so that more of them change nothing."""


def measure_throughput(setting: Setting) -> Part:
    """BERT with random weights: Lexel and the peers, in turns, and the share of the ceiling that everyone reaches."""
    peers = _peers(setting)
    readers = _ours(setting) | {name: peer.read for name, peer in peers.items()}
    texts = {name: _texts(setting, name) for name in readers}
    for name, read in readers.items():  # whoever compiles for shapes has then seen them
        read(texts[name][:4] if name in UNSORTED else texts[name])
    contestants: dict[str, Callable[[], float]] = {
        name: partial(rate, read, texts[name]) for name, read in readers.items()
    }
    ceilings: list[Ceiling] = []
    if has_bf16():
        meter = CeilingMeter(threads=setting.threads, repeats=setting.sizes.product_repeats)
        contestants["Lexel bf16"] = partial(_beside_ceiling, contestants["Lexel bf16"], meter, ceilings)
    found = in_turns(contestants, repetitions=setting.sizes.repetitions, what="throughput")
    rates = Series.each(found)
    shares = _shares(rates, {name: _flop_per_char(setting, some) for name, some in texts.items()}, ceilings)
    rows = [Row(name, series, RATE, is_peer=name in peers) for name, series in rates.items()]
    notes = [peer.note for peer in peers.values()]
    notes.append(
        f"{setting.sizes.sentences:,} sentences; {' and '.join(UNSORTED)}, which do not sort: "
        f"the first {setting.sizes.fewer_sentences:,}"
    )
    if ceilings:
        rows.append(Row("ceiling of bf16 products", Series(tuple(c.flop_per_s / 1e12 for c in ceilings)), "TFLOP/s"))
        rows += [
            Row(f"{name}, {SHARE}", series, "%", plot=SHARE, label=name, is_peer=name in peers)
            for name, series in shares.items()
        ]
        notes.append(f"the ceiling is {ceilings[0].library}'s product, the fastest of those tried")
    return Part("BERT with random weights", rows, _bars(rates, shares, peers[PIPELINE]), notes)


def _beside_ceiling(measure: Callable[[], float], meter: CeilingMeter, ceilings: list[Ceiling]) -> float:
    """A rate, with the ceiling measured right before and right after it; the higher one is kept."""
    before = meter.measure()
    reached = measure()
    ceilings.append(max(before, meter.measure(), key=lambda found: found.flop_per_s))
    return reached


def _texts(setting: Setting, name: str) -> list[str]:
    """What somebody reads: fewer of the same sentences where their number makes no difference."""
    sizes = setting.sizes
    return list(sentences(sizes.fewer_sentences if name in UNSORTED else sizes.sentences))


def _shares(
    rates: Mapping[str, Series], flop_per_char: Mapping[str, float], ceilings: Sequence[Ceiling]
) -> dict[str, Series]:
    """Percent of the ceiling, turn by turn; nothing where there is no ceiling."""
    if not ceilings:
        return {}
    return {
        name: Series(
            tuple(
                100 * reached * flop_per_char[name] / ceiling.flop_per_s
                for reached, ceiling in zip(series.values, ceilings, strict=True)
            )
        )
        for name, series in rates.items()
    }


def _ours(setting: Setting) -> dict[str, Reader]:
    folder, threads = setting.folders.bert, setting.threads
    readers = {
        f"Lexel {precision}": lexel_reader(folder, threads=threads, precision=precision) for precision in precisions()
    }
    if has_int8():
        readers["Lexel int8"] = lexel_reader(setting.folders.int8, threads=threads, precision="int8")
    return readers


def _peers(setting: Setting) -> dict[str, Peer]:
    exported = {exported_name(precision): best_exported(setting, precision) for precision in precisions()}
    return exported | {CKIP: best_driver(setting), PIPELINE: best_pipeline(setting)}


def _flop_per_char(setting: Setting, texts: Sequence[str]) -> float:
    """The work of each text at its own length, special pieces included, over all characters."""
    tokenizer = load_tokenizer(Path(setting.folders.bert), pieces="tokenizer", model_type="bert")
    n_special = len(tokenizer.special.prefix) + len(tokenizer.special.suffix)
    lengths = np.diff(tokenizer.encode(texts).bounds) + n_special
    return useful_flop(setting.sizes.shape, lengths.tolist()) / sum(map(len, texts))


def _bars(rates: Mapping[str, Series], shares: Mapping[str, Series], pipeline: Peer) -> list[Bar]:
    def over(mine: str, theirs: str) -> float | None:
        return ratio(rates[mine], rates[theirs]) if mine in rates and theirs in rates else None

    def over_pipeline(precision: str, bar: float) -> Bar:
        figure = f"{precision} over transformers' pipeline at its best batch size"
        return Bar(figure, bar, over(f"Lexel {precision}", PIPELINE), note=pipeline.choice)

    share = shares.get("Lexel bf16")
    exported = Bar(
        "bf16 over exported OpenVINO with sorted batches",
        1.2,
        over("Lexel bf16", exported_name("bf16")),
        note="bf16 as well",
    )
    return [
        over_pipeline("bf16", 10),
        Bar("bf16 over ckip-transformers' driver", 18, over("Lexel bf16", CKIP)),
        Bar("int8 over bf16", 1.3, over("Lexel int8", "Lexel bf16")),
        over_pipeline("int8", 13),
        exported,
        Bar("share of the bf16 matrix-product ceiling", 65, None if share is None else share.median, unit=" %"),
        over_pipeline("float32", 2),
    ]


def measure_bundled(setting: Setting) -> Part:
    """The bundled model from text to Documents, beside jieba, which reads fewer of the same sentences for its tags."""
    texts, fewer = list(sentences(setting.sizes.bundled_sentences)), list(sentences(setting.sizes.sentences))
    readers = {
        f"Lexel, bundled model, {setting.threads} threads": (lexel_reader(None, threads=setting.threads), texts),
        "jieba.posseg (words and tags), one core": (jieba_reader(), fewer),
        "jieba.cut (words alone), one core": (jieba_words_reader(), texts),
    }
    for read, some in readers.values():
        read(some)
    found = in_turns(
        {name: partial(rate, read, some) for name, (read, some) in readers.items()},
        repetitions=setting.sizes.repetitions,
        what="bundled model",
    )
    mine, tagged, words = (Row(name, series, RATE) for name, series in Series.each(found).items())
    bars = [
        Bar("bundled model, from text to Documents", 100_000, mine.series.median, unit=" chars/s"),
        Bar(
            "bundled model over jieba",
            3,
            ratio(mine.series, tagged.series),
            note="jieba.posseg: words and tags, one core",
        ),
    ]
    rows = [mine, replace(tagged, is_peer=True), replace(words, is_peer=True)]
    return Part("Bundled model", rows, bars)

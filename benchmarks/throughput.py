"""Characters a second of one BERT-base by everyone who can run it, and of the bundled model beside jieba."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.ceiling import Ceiling, CeilingMeter, useful_flop
from benchmarks.machine import has_bf16, has_int8
from benchmarks.measure import Series, fastest, in_turns, rate
from benchmarks.readers import (
    Reader,
    ckip_reader,
    exported_reader,
    jieba_reader,
    jieba_words_reader,
    lexel_reader,
    transformers_reader,
)
from benchmarks.report import Bar, Part, Row, ratio
from benchmarks.setting import Setting
from benchmarks.texts import sentences
from lexel.text.tokenizer import load_tokenizer

PIPELINE_BATCHES = (1, 8, 32)
CKIP_BATCHES = (8, 32, 256)
EXPORTED_BATCHES = (8, 16, 32)
CKIP = "ckip-transformers driver"
RATE = "chars/s"


def measure_throughput(setting: Setting) -> Part:
    """BERT with random weights: Lexel and the peers, in turns, and the share of the ceiling that Lexel reaches."""
    texts = list(sentences(setting.sizes.sentences))
    readers, notes = _contestants(setting)
    for name, read in readers.items():  # whoever compiles for shapes has then seen them
        read(texts if name.startswith(("Lexel", "OpenVINO")) else texts[:4])
    contestants: dict[str, Callable[[], float]] = {
        name: partial(rate, read, texts) for name, read in readers.items() if name != "Lexel bf16"
    }
    shares: list[tuple[float, float, Ceiling]] = []
    if "Lexel bf16" in readers:
        flop_per_char = useful_flop(setting.sizes.shape, _lengths(setting.folders.bert, texts)) / sum(map(len, texts))
        meter = CeilingMeter(threads=setting.threads, repeats=setting.sizes.product_repeats)

        def beside_ceiling() -> float:
            before = meter.measure()
            reached = rate(readers["Lexel bf16"], texts)
            ceiling = max(before, meter.measure(), key=lambda found: found.flop_per_s)
            shares.append((reached, reached * flop_per_char / ceiling.flop_per_s, ceiling))
            return reached

        contestants = {"Lexel bf16": beside_ceiling} | contestants
    found = in_turns(contestants, repetitions=setting.sizes.repetitions, what="throughput")
    rates = {name: Series(values) for name, values in found.items()}
    rows = [Row(name, series, RATE) for name, series in rates.items()]
    share = None
    if shares:
        share = Series(tuple(100 * part for _, part, _ in shares))
        rows.append(Row("ceiling of bf16 products", Series(tuple(c.flop_per_s / 1e12 for *_, c in shares)), "TFLOP/s"))
        rows.append(Row("share of the ceiling that Lexel reaches", share, "%"))
        notes.append(f"the ceiling is {shares[0][2].library}'s product, the fastest of those tried")
    return Part("BERT with random weights", rows, _bars(rates, share), notes)


def _contestants(setting: Setting) -> tuple[dict[str, Reader], list[str]]:
    """Everyone by name, each peer at the setting that a trial found best."""
    folder, threads = setting.folders.bert, setting.threads
    trial = list(sentences(setting.sizes.trial_sentences))
    precisions = ("bf16", "float32") if has_bf16() else ("float32",)
    readers = {
        f"Lexel {precision}": lexel_reader(folder, threads=threads, precision=precision) for precision in precisions
    }
    if has_int8():
        readers["Lexel int8"] = lexel_reader(setting.folders.int8, threads=threads, precision="int8")
    choices = {
        f"OpenVINO {precision}, exported graph, sorted": {
            f"batches of {batch}, {streams} stream{'s' * (streams > 1)}": partial(
                exported_reader, folder, threads=threads, precision=precision, batch=batch, streams=streams
            )
            for batch in EXPORTED_BATCHES
            for streams in sorted({1, threads})
        }
        for precision in precisions
    }
    choices[CKIP] = {
        f"batches of {batch}": partial(ckip_reader, folder, threads=threads, batch=batch) for batch in CKIP_BATCHES
    }
    notes = []
    for name, makers in choices.items():
        best, readers[name] = fastest(makers, trial, who=name)
        notes.append(f"{name}: {best}, the best of {len(makers)} settings on {len(trial)} sentences")
    for batch in PIPELINE_BATCHES:
        readers[f"transformers pipeline, batch {batch}"] = transformers_reader(folder, threads=threads, batch=batch)
    return readers, notes


def _lengths(folder: str, texts: Sequence[str]) -> list[int]:
    """Length of each text as the encoder sees it, special pieces included."""
    tokenizer = load_tokenizer(Path(folder), pieces="tokenizer", model_type="bert")
    n_special = len(tokenizer.special.prefix) + len(tokenizer.special.suffix)
    lengths: list[int] = (np.diff(tokenizer.encode(texts).bounds) + n_special).tolist()
    return lengths


def _bars(rates: Mapping[str, Series], share: Series | None) -> list[Bar]:
    pipelines = {name: series for name, series in rates.items() if name.startswith("transformers")}
    best = max(pipelines, key=lambda name: pipelines[name].median)
    bf16 = rates.get("Lexel bf16")

    def over(mine: Series | None, theirs: str) -> float | None:
        return None if mine is None else ratio(mine, rates[theirs])

    exported = "OpenVINO bf16, exported graph, sorted"
    return [
        Bar("bf16 over transformers' pipeline at its best batch size", 10, over(bf16, best), note=best),
        Bar("bf16 over ckip-transformers' driver", 18, over(bf16, CKIP)),
        Bar("int8 over bf16", 1.3, None if bf16 is None else over(rates.get("Lexel int8"), "Lexel bf16")),
        Bar(
            "int8 over transformers' pipeline at its best batch size",
            13,
            over(rates.get("Lexel int8"), best),
            note=best,
        ),
        Bar("bf16 over exported OpenVINO with sorted batches", 1.08, over(bf16, exported), note="bf16 as well"),
        Bar("share of the bf16 matrix-product ceiling", 55, None if share is None else share.median, unit=" %"),
        Bar(
            "float32 over transformers' pipeline at its best batch size",
            2,
            over(rates["Lexel float32"], best),
            note=best,
        ),
    ]


def measure_bundled(setting: Setting) -> Part:
    """The bundled model from text to Documents, beside jieba."""
    texts = list(sentences(setting.sizes.bundled_sentences))
    readers = {
        f"Lexel, bundled model, {setting.threads} threads": lexel_reader(None, threads=setting.threads),
        "jieba.posseg (words and tags), one core": jieba_reader(),
        "jieba.cut (words alone), one core": jieba_words_reader(),
    }
    for read in readers.values():
        read(texts)
    found = in_turns(
        {name: partial(rate, read, texts) for name, read in readers.items()},
        repetitions=setting.sizes.repetitions,
        what="bundled model",
    )
    rates = {name: Series(values) for name, values in found.items()}
    mine, tagged, _ = rates.values()
    bars = [
        Bar("bundled model, from text to Documents", 100_000, mine.median, unit=" chars/s"),
        Bar("bundled model over jieba", 3, ratio(mine, tagged), note="jieba.posseg: words and tags, one core"),
    ]
    return Part("Bundled model", [Row(name, series, RATE) for name, series in rates.items()], bars)

"""Characters a second of one BERT-base by everyone who can run it, and of the bundled model beside jieba."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks.ceiling import Ceiling, CeilingMeter
from benchmarks.machine import has_bf16, has_int8, precisions
from benchmarks.measure import Series, in_turns, rate, run_child
from benchmarks.peers import (
    CKIP,
    DTYPES,
    PIPELINE,
    Peer,
    best_driver,
    best_exported,
    best_pipeline,
    exported_name,
    pipeline_name,
)
from benchmarks.readers import Reader, lexel_reader
from benchmarks.report import Bar, Part, Row, ratio
from benchmarks.setting import Setting
from benchmarks.shares import flop_per_char, over
from benchmarks.texts import SCRIPTS, sentences

RATE = "chars/s"
SHARE = "share of the ceiling"
UNSORTED = (CKIP, *map(pipeline_name, DTYPES))
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
    shares = _shares(rates, {name: flop_per_char(setting, some) for name, some in texts.items()}, ceilings)
    rows = [Row(name, series, RATE, is_peer=name in peers) for name, series in rates.items()]
    notes = [peer.note for peer in peers.values()]
    notes.append(
        f"{setting.sizes.sentences:,} sentences; {CKIP} and {PIPELINE}, which do not sort: "
        f"the first {setting.sizes.fewer_sentences:,}"
    )
    if ceilings:
        rows.append(Row("ceiling of bf16 products", Series(tuple(c.flop_per_s / 1e12 for c in ceilings)), "TFLOP/s"))
        rows += [
            Row(f"{name}, {SHARE}", series, "%", plot=SHARE, label=name, is_peer=name in peers)
            for name, series in shares.items()
        ]
        notes.append(f"the ceiling is {ceilings[0].library}'s product, the fastest of those tried")
    return Part("BERT with random weights", rows, _bars(rates, shares, peers), notes)


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
    pipelines = {pipeline_name(precision): best_pipeline(setting, precision) for precision in precisions()}
    return exported | {CKIP: best_driver(setting)} | pipelines


def _bars(rates: Mapping[str, Series], shares: Mapping[str, Series], peers: Mapping[str, Peer]) -> list[Bar]:
    compare = partial(over, rates=rates, shares={name: series.median for name, series in shares.items()})
    fastest = max(map(pipeline_name, precisions()), key=lambda name: rates[name].median)
    best = f"{fastest}, {peers[fastest].choice}"
    plain = pipeline_name("float32")
    share = shares.get("Lexel bf16")
    return [
        compare(
            "bf16 over transformers' pipeline at its best batch size and precision",
            10,
            mine="Lexel bf16",
            theirs=fastest,
            note=best,
        ),
        compare(
            "bf16 over ckip-transformers' driver",
            18,
            mine="Lexel bf16",
            theirs=CKIP,
            note="the driver computes in float32 and gives words without tags",
        ),
        compare(
            "float32 over ckip-transformers' driver",
            5,
            mine="Lexel float32",
            theirs=CKIP,
            note="the same precision",
        ),
        Bar("int8 over bf16", 1.3, _ratio(rates, "Lexel int8", "Lexel bf16")),
        compare(
            "int8 over transformers' pipeline at its best batch size and precision",
            13,
            mine="Lexel int8",
            theirs=fastest,
            note=f"{best}; the pipeline has no int8",
        ),
        compare(
            "bf16 over exported OpenVINO with sorted batches",
            1.2,
            mine="Lexel bf16",
            theirs=exported_name("bf16"),
            note="bf16 as well",
        ),
        Bar("share of the bf16 matrix-product ceiling", 65, None if share is None else share.median, unit=" %"),
        compare(
            "float32 over transformers' pipeline in float32 at its best batch size",
            2,
            mine="Lexel float32",
            theirs=plain,
            note=peers[plain].choice,
        ),
    ]


def _ratio(rates: Mapping[str, Series], mine: str, theirs: str) -> float | None:
    return ratio(rates[mine], rates[theirs]) if mine in rates and theirs in rates else None


def measure_bundled(setting: Setting) -> Part:
    """The bundled model from text to Documents with all threads, and on one core beside jieba, a script at a time.

    jieba's dictionary is of simplified words. On traditional text its tagger falls into a slow path, which says nothing
    of what it was made for, so only simplified text decides the bar.
    """
    sizes, texts = setting.sizes, list(sentences(setting.sizes.bundled_sentences))
    whole = lexel_reader(None, threads=setting.threads)
    whole(texts)
    mine = f"Lexel, bundled model, {setting.threads} threads, both scripts"
    contestants: dict[str, Callable[[], float]] = {mine: partial(rate, whole, texts)}
    for script in SCRIPTS:
        for name, reader in ONE_CORE.items():
            n = sizes.sentences if (reader, script) == ("jieba", "traditional") else sizes.bundled_sentences
            contestants[f"{name}, one core, {script}"] = partial(_one_core, reader, script, n)
    rates = Series.each(in_turns(contestants, repetitions=sizes.repetitions, what="bundled model"))
    bars = [
        Bar("bundled model, from text to Documents", 100_000, rates[mine].median, unit=" chars/s"),
        over(
            "bundled model over jieba.posseg, simplified text, one core each",
            3,
            mine=f"{LEXEL}, one core, simplified",
            theirs=f"{POSSEG}, one core, simplified",
            rates=rates,
            note="Lexel finds entities as well",
        ),
    ]
    rows = [Row(name, series, RATE, is_peer=name.startswith("jieba")) for name, series in rates.items()]
    notes = [
        "one core: the processor's time of a fresh process that has read the same sentences once before",
        "jieba's dictionary is of simplified words; traditional text is not what it was made for",
        "everyone's words and tags are looked at; jieba.cut gives words alone",
    ]
    return Part("Bundled model", rows, bars, notes)


LEXEL, POSSEG = "Lexel, bundled model", "jieba.posseg (words and tags)"
ONE_CORE = {LEXEL: "lexel", POSSEG: "jieba", "jieba.cut (words alone)": "jieba-words"}
"""Who is measured on one core, and the reader's name."""


def _one_core(reader: str, script: str, n: int) -> float:
    values = run_child(reader, threads=1, one_core=True, texts=script, warm_up=n, sentences=n).values
    return float(values["chars"] / values["cpu_seconds"])

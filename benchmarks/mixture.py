"""One long text among many short ones: what a character costs, beside the peers that pad to the longest."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Series, in_turns, rate
from benchmarks.peers import CKIP, PIPELINE, by_batch, choose
from benchmarks.readers import Reader, ckip_reader, lexel_reader, transformers_long_reader
from benchmarks.report import Bar, Part, Row
from benchmarks.setting import Setting
from benchmarks.texts import long_text, sentences

PEERS = (CKIP, PIPELINE)
KINDS = ("short texts alone", "with the long text")


def measure_mixture(setting: Setting) -> Part:
    """Microseconds a character with and without the long text, by a small model that everyone has."""
    folder, threads, sizes = setting.folders.small, setting.threads, setting.sizes
    short = list(sentences(sizes.small_sentences))
    middle = len(short) // 2
    texts = dict(zip(KINDS, (short, [*short[:middle], long_text(sizes.long_chars), *short[middle:]]), strict=True))
    notes = [f"{sizes.small_sentences:,} short texts, one of {sizes.long_chars:,} characters; BERT of 2 layers of 128"]
    readers: dict[str, Reader] = {"Lexel float32": lexel_reader(folder, threads=threads, precision="float32")}
    for name, make in zip(PEERS, (ckip_reader, transformers_long_reader), strict=True):
        makers = by_batch(partial(make, folder, threads=threads), sizes.driver_batches)
        peer = choose(name, makers, short[: 2 * sizes.trial_sentences])
        readers[name] = peer.read
        notes.append(f"{peer.note}, all short")
    contestants = {
        (name, kind): lambda read=read, kind=kind: 1e6 / rate(read, texts[kind])
        for name, read in readers.items()
        for kind in KINDS
    }
    readers["Lexel float32"](texts[KINDS[1]])
    found = in_turns(
        {f"{name}, {kind}": once for (name, kind), once in contestants.items()},
        repetitions=sizes.repetitions,
        what="a long text among short ones",
    )
    costs = Series.each(found)
    mixed = {name: costs[f"{name}, {KINDS[1]}"].median for name in readers}
    grown = {name: mixed[name] / costs[f"{name}, {KINDS[0]}"].median for name in readers}
    notes.append("with the long text over without: " + ", ".join(f"{name} {by:.2f}x" for name, by in grown.items()))
    best = min(PEERS, key=mixed.__getitem__)
    bar = Bar(
        "time a character, one long text among short ones: theirs over ours",
        1.8,
        mixed[best] / mixed["Lexel float32"],
        note=f"{best}, the faster peer; float32",
    )
    rows = [Row(name, series, "µs/char", is_peer=name.startswith(PEERS)) for name, series in costs.items()]
    return Part("A long text among short ones", rows, [bar], notes)

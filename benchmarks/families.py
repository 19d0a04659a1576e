"""ModernBERT and DeBERTa v3 of BERT-base's width in bf16, beside transformers' pipeline, and BERT in the same run.

The bar on the multiple is BERT's own multiple of the pipeline. Useful work counts the products that a piece needs at
the length of its text: with weights, with the pieces that it sees, and in DeBERTa twice with their distances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import openvino as ov

from benchmarks.ceiling import CeilingMeter, useful_flop
from benchmarks.machine import has_bf16
from benchmarks.measure import Series, in_turns, rate
from benchmarks.models import Shape, modernbert_layers
from benchmarks.peers import DTYPES, Peer, by_batch, choose
from benchmarks.readers import Reader, exported_reader, lexel_reader, transformers_reader
from benchmarks.report import Bar, Part, Row, ratio
from benchmarks.setting import Setting
from benchmarks.texts import sentences
from lexel.checkpoint import open_checkpoint
from lexel.engines.fake import FakeEngine
from lexel.engines.openvino import PRECISIONS, BuiltGraphs, inputs_of
from lexel.tasks.base import Flow, gather_blocks

RATE = "chars/s"
_CEILING = "ceiling"
_WINDOW = 129
"""Pieces that a local layer of ModernBERT sees: itself and 64 to either side."""
_LOCAL_SHARE = 2 / 3
"""Of ModernBERT's layers, those that are local."""
_PARTS = {"FullyConnected": "products with weights"}
"""Kinds of OpenVINO's nodes that have a name in the account; the others keep their own."""


def measure_modernbert(setting: Setting) -> Part:
    """ModernBERT."""
    return _measure("ModernBERT", setting.folders.modernbert, _modernbert_flop, setting, bar=70)


def measure_deberta(setting: Setting) -> Part:
    """DeBERTa v3, and the graph exported from transformers' class."""
    return _measure("DeBERTa v3", setting.folders.deberta, _deberta_flop, setting, bar=50, is_exported=True)


def _measure(
    name: str,
    folder: str,
    flop: Callable[[Shape, np.ndarray], float],
    setting: Setting,
    *,
    bar: float,
    is_exported: bool = False,
) -> Part:
    precision, sizes = ("bf16" if has_bf16() else "float32"), setting.sizes
    folders = {name: folder, "BERT": setting.folders.bert}
    pipelines = {one: _pipeline(one, path, precision, setting) for one, path in folders.items()}
    peers: dict[str, Peer] = {f"{one}, transformers pipeline": peer for one, peer in pipelines.items()}
    if is_exported:
        peers[f"{name}, exported graph in OpenVINO"] = _exported(name, folder, precision, setting)
    ours = {one: lexel_reader(path, threads=setting.threads, precision=precision) for one, path in folders.items()}
    readers: dict[str, Reader] = {f"{one}, Lexel": read for one, read in ours.items()}
    readers |= {one: peer.read for one, peer in peers.items()}
    texts = list(sentences(sizes.fewer_sentences))
    for read in readers.values():
        read(texts)
    contestants: dict[str, Callable[[], float]] = {one: partial(rate, read, texts) for one, read in readers.items()}
    if has_bf16():
        meter = CeilingMeter(threads=setting.threads, repeats=sizes.product_repeats)
        contestants[_CEILING] = lambda: meter.measure().flop_per_s
    rates = Series.each(in_turns(contestants, repetitions=sizes.fewer_repetitions, what=name))
    ceiling = rates.pop(_CEILING, None)
    rows = [Row(one, series, RATE, is_peer=one in peers) for one, series in rates.items()]
    multiples = {one: ratio(rates[f"{one}, Lexel"], rates[f"{one}, transformers pipeline"]) for one in folders}
    figure = f"{name}, {precision} over transformers' pipeline at its best batch size, against BERT's multiple"
    bars = [Bar(figure, round(multiples["BERT"], 2), multiples[name], note=pipelines[name].choice)]
    if is_exported:
        exported = ratio(rates[f"{name}, Lexel"], rates[f"{name}, exported graph in OpenVINO"])
        bars.append(Bar(f"{name}, {precision} over its exported graph with sorted batches", 1, exported))
    if ceiling is not None:
        work = {name: flop, "BERT": useful_flop}
        for one in folders:
            shares = {
                who: _share(rates[who], work[one], folders[one], texts, setting, ceiling)
                for who in rates
                if who.startswith(f"{one},")
            }
            rows += [Row(f"{who}, share of the ceiling", share, "%") for who, share in shares.items()]
            if one == name:
                bars.append(Bar(f"{name}, share of the ceiling", bar, shares[f"{name}, Lexel"].median, unit=" %"))
    account = _account(folder, precision, texts)
    rows += [Row(f"{name}, of the graph's time: {part}", Series((share,)), "%") for part, share in account.items()]
    return Part(f"{name} beside BERT", rows, bars, [peer.note for peer in peers.values()])


def _pipeline(name: str, folder: str, precision: str, setting: Setting) -> Peer:
    make = partial(transformers_reader, folder, threads=setting.threads, dtype=DTYPES[precision])
    makers = by_batch(make, setting.sizes.pipeline_batches)
    return choose(f"{name}, transformers pipeline", makers, list(sentences(setting.sizes.trial_sentences)))


def _exported(name: str, folder: str, precision: str, setting: Setting) -> Peer:
    make = partial(exported_reader, folder, threads=setting.threads, precision=precision)
    makers = {
        f"{batches}, {streams} stream{'s' * (streams > 1)}": partial(maker, streams=streams)
        for batches, maker in by_batch(make, setting.sizes.exported_batches).items()
        for streams in sorted({1, setting.threads})
    }
    return choose(f"{name}, exported graph", makers, list(sentences(setting.sizes.trial_sentences)), compiles=True)


# Work ----------------------------------------------------------------------------------------------------------------


def _share(
    rates: Series,
    flop: Callable[[Shape, np.ndarray], float],
    folder: str,
    texts: list[str],
    setting: Setting,
    ceiling: Series,
) -> Series:
    """Percent of the ceiling's median, turn by turn."""
    _, lengths = _batches(folder, texts)
    work = flop(setting.sizes.shape, lengths) / sum(map(len, texts))
    return Series(tuple(100 * one * work / ceiling.median for one in rates.values))


def _deberta_flop(shape: Shape, lengths: np.ndarray) -> float:
    """BERT's, and the products of queries and of keys with distances."""
    return useful_flop(shape, lengths.tolist()) + float(
        shape.n_layers * 4 * shape.hidden_size * np.square(lengths).sum()
    )


def _modernbert_flop(shape: Shape, lengths: np.ndarray) -> float:
    """Four products of hidden by hidden, three of hidden by one and a half times as much, and what a layer sees."""
    n_layers, hidden = modernbert_layers(shape), shape.hidden_size
    dense = n_layers * 2 * (4 * hidden * hidden + 3 * hidden * (hidden * 3 // 2)) * int(lengths.sum())
    near = (lengths * np.minimum(lengths, _WINDOW)).sum()
    seen = (1 - _LOCAL_SHARE) * np.square(lengths).sum() + _LOCAL_SHARE * near
    return float(dense + n_layers * 4 * hidden * seen)


# The account ---------------------------------------------------------------------------------------------------------


def _batches(folder: str, texts: list[str]) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """The batches that the texts become, and the lengths of the sequences in them."""
    checkpoint = open_checkpoint(folder)
    flow = Flow("families", checkpoint, FakeEngine({}), outputs=tuple(checkpoint.heads))
    prepared = [flow.prepare(block) for block in gather_blocks(texts)]
    lengths = np.concatenate([np.diff(one.sequences.bounds) for one in prepared])
    return [inputs_of(batch.rows) for one in prepared for batch in flow.batches([one])], lengths


def _account(folder: str, precision: str, texts: list[str]) -> Mapping[str, float]:
    """Percent of a graph's time that each kind of OpenVINO's nodes takes, on one thread; the largest six."""
    checkpoint = open_checkpoint(folder)
    graph = BuiltGraphs(checkpoint, None).graph(list(checkpoint.heads))
    options = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERF_COUNT": True,
    }
    request = ov.Core().compile_model(graph, "CPU", options).create_infer_request()
    batches, _ = _batches(folder, texts)
    for _ in range(2):
        for batch in batches:
            request.infer(batch, share_inputs=True)
    seconds: Counter[str] = Counter()
    for node in request.get_profiling_info():
        seconds[_PARTS.get(node.node_type, node.node_type)] += node.real_time.total_seconds()
    total = sum(seconds.values()) or 1.0
    return {kind: 100 * spent / total for kind, spent in seconds.most_common(6)}

"""Where the time of the bf16 encoder goes, part by part, on the batches of the real sentences.

Every thread computes its share of the batches by a graph of its own, as the engine's streams do, and OpenVINO says how
long each node took. What the ceiling's products would have taken is reckoned from their rate in the same run; the price
of GELU is the time of the products less that of the same model with ReLU, since OpenVINO computes both inside them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import openvino as ov

from benchmarks.ceiling import Ceiling, CeilingMeter, dense_flop, useful_flop
from benchmarks.machine import has_bf16
from benchmarks.measure import Series, in_turns
from benchmarks.report import Part, Row
from benchmarks.setting import Setting
from benchmarks.texts import sentences
from lexel.checkpoint import open_checkpoint
from lexel.engines.base import Rows
from lexel.engines.fake import FakeEngine
from lexel.engines.openvino import PRECISIONS, BuiltGraphs, inputs_of
from lexel.tasks.base import Flow, gather_blocks

TITLE = "Where the bf16 encoder's time goes"
PRODUCTS, ATTENTION, NORMS, LOOKUPS = "products", "attention", "norms", "lookups"
KINDS = {
    "FullyConnected": PRODUCTS,
    "Subgraph": ATTENTION,
    "MatMul": ATTENTION,
    "Softmax": ATTENTION,
    "Transpose": ATTENTION,
    "MVN": NORMS,
    "Add": NORMS,
}
"""Which part of the encoder OpenVINO's nodes are; all others look up or convert."""


@dataclass(frozen=True, slots=True)
class Account:
    """Seconds of all threads together."""

    total: float
    by_part: Mapping[str, float]


def measure_account(setting: Setting) -> Part:
    """Shares of the threads' time, in %; nothing where bf16 is not native."""
    if not has_bf16():
        return Part(TITLE, (), (), ["bf16 is not native on this processor"])
    batches, lengths = _batches(setting)
    gelu = _Workers(setting.folders.bert, batches, threads=setting.threads)
    relu = _Workers(setting.folders.relu, batches, threads=setting.threads)
    meter = CeilingMeter(threads=setting.threads, repeats=setting.sizes.product_repeats)
    ceilings: list[Ceiling] = []

    def beside_ceiling() -> Account:
        ceilings.append(meter.measure())
        return gelu.measure()

    contestants = {"gelu": beside_ceiling, "relu": relu.measure}
    found = in_turns(contestants, repetitions=setting.sizes.fewer_repetitions, what="account")
    rate = max(ceiling.flop_per_s for ceiling in ceilings) / setting.threads
    dense = dense_flop(setting.sizes.shape, lengths) / rate
    attended = useful_flop(setting.sizes.shape, lengths) / rate - dense
    unused = 1 - sum(lengths) / sum(rows.piece_ids.size for rows in batches)
    shares: dict[str, list[float]] = {}
    for account, without_gelu in zip(*found.values(), strict=True):
        for name, seconds in _shares(account, without_gelu, dense=dense, attended=attended, unused=unused).items():
            shares.setdefault(name, []).append(100 * seconds / account.total)
    notes = [
        f"{setting.threads} threads with a graph each; products at the ceiling: {rate / 1e12:.2f} TFLOP/s a thread",
        "the rest is Python, waiting, and what starts a graph; tokenising and decoding are not in it",
    ]
    return Part(
        TITLE,
        [Row(name, Series(tuple(values)), "%", plot=TITLE, label=name) for name, values in shares.items()],
        (),
        notes,
    )


def _shares(
    account: Account, without_gelu: Account, *, dense: float, attended: float, unused: float
) -> dict[str, float]:
    """Seconds of each part; they add up to the total."""
    parts = account.by_part
    gelu = parts[PRODUCTS] - without_gelu.by_part[PRODUCTS]
    empty = (parts[PRODUCTS] - gelu) * unused
    return {
        "products of used slots, at the ceiling's rate": dense,
        "products of unused slots": empty,
        "GELU": gelu,
        "products slower than the ceiling's, with biases and sums": parts[PRODUCTS] - gelu - empty - dense,
        "attention inside sequences, at the ceiling's rate": attended,
        "attention: scores across sequences, mask, softmax, transposing": parts[ATTENTION] - attended,
        "layer norms": parts[NORMS],
        "looking up and converting": parts[LOOKUPS],
        "the rest": account.total - sum(parts.values()),
    }


class _Workers:
    """Graphs of one thread each, and the batches that each computes."""

    def __init__(self, folder: str, batches: Sequence[Rows], *, threads: int) -> None:
        checkpoint = open_checkpoint(folder)
        graph = BuiltGraphs(checkpoint, None).graph(tuple(checkpoint.heads))
        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS["bf16"],
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # every graph would take the same core
            "PERF_COUNT": True,
        }
        core = ov.Core()
        self._requests = [core.compile_model(graph, "CPU", options).create_infer_request() for _ in range(threads)]
        self._shares = _fair_shares(batches, threads)
        self._runs = [0] * threads
        self.measure()  # compiles for every shape

    def measure(self) -> Account:
        """One pass over all batches."""
        begin = time.perf_counter()
        with ThreadPoolExecutor(len(self._requests)) as pool:
            found = list(pool.map(self._pass, range(len(self._requests))))
        seconds = time.perf_counter() - begin
        return Account(seconds * len(found), sum(found, Counter({PRODUCTS: 0.0, ATTENTION: 0.0})))

    def _pass(self, worker: int) -> Counter[str]:
        request, share = self._requests[worker], self._shares[worker]
        before = self._so_far(worker)
        for rows in share:
            request.infer(inputs_of(rows), share_inputs=True)
        self._runs[worker] += len(share)
        return self._so_far(worker) - before

    def _so_far(self, worker: int) -> Counter[str]:
        """Seconds since the beginning: what OpenVINO tells is a node's mean over all runs of its graph."""
        seconds: Counter[str] = Counter()
        if self._runs[worker]:
            for node in self._requests[worker].get_profiling_info():
                mean = node.real_time.total_seconds()
                seconds[KINDS.get(node.node_type, LOOKUPS)] += mean * self._runs[worker]
        return seconds


def _fair_shares(batches: Sequence[Rows], n: int) -> list[list[Rows]]:
    """The batches dealt out so that everyone has about the same number of slots."""
    shares: list[list[Rows]] = [[] for _ in range(n)]
    for rows in sorted(batches, key=lambda rows: -rows.piece_ids.size):
        min(shares, key=lambda share: sum(rows.piece_ids.size for rows in share)).append(rows)
    return shares


def _batches(setting: Setting) -> tuple[list[Rows], list[int]]:
    """The batches that the sentences become, and the lengths of the sequences in them."""
    checkpoint = open_checkpoint(setting.folders.bert)
    flow = Flow("account", checkpoint, FakeEngine({}), outputs=tuple(checkpoint.heads))
    batches: list[Rows] = []
    lengths: list[int] = []
    for block in gather_blocks(sentences(setting.sizes.sentences)):
        prepared = flow.prepare(block)
        lengths += np.diff(prepared.sequences.bounds).tolist()
        batches += [batch.rows for batch in flow.batches([prepared])]
    return batches, lengths

"""The server beside a direct call and beside FastAPI with transformers' pipeline, over loopback.

The server is a process of its own, and the clients are threads' worth of coroutines in another (``serving_client``). A
share of ``nlp.stream``'s rate is by processor time, so that the clients' own work does not count.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

import lexel
from benchmarks.embedding import minilm_folder
from benchmarks.measure import Series
from benchmarks.report import Bar, Part, Row
from benchmarks.serving_client import Load, ask_alone, load_of, overload
from benchmarks.setting import Setting
from benchmarks.texts import all_sentences, english_sentences

LONG = "他在北京，她在東京，昨天都下雨了。" * 6_000
CONNECTIONS = 64
PEER_CONNECTIONS = 16
PEER = "FastAPI with transformers' pipeline"
EMBEDDING_PEER = "FastAPI with sentence-transformers"


def measure_serving(setting: Setting) -> Part:
    """Rates, latencies, overload and memory of ``lexel serve``."""
    texts = all_sentences()[:400]
    n_requests = 3_000 if setting.sizes.repetitions > 1 else 200
    rows: list[Row] = []
    bars: list[Bar] = []
    direct_ms = _direct_ms(texts, setting.threads)
    with _served(["--threads", str(setting.threads)]) as (url, process):
        ready = process.memory_info().rss / 2**20
        asyncio.run(load_of(url, texts, connections=CONNECTIONS, n_requests=n_requests // 4))  # warm
        shares, rates = [], []
        for _ in range(setting.sizes.repetitions):
            before = _cpu(process)
            found = asyncio.run(load_of(url, texts, connections=CONNECTIONS, n_requests=n_requests))
            shares.append(100 * direct_ms * n_requests / (1000 * (_cpu(process) - before)))
            rates.append(found.rate)
        rows += [
            Row(f"lexel serve, bundled model, {CONNECTIONS} connections", Series(tuple(rates)), "requests/s"),
            Row("share of nlp.stream's rate, by processor time", Series(tuple(shares)), "%"),
        ]
        bars.append(Bar("share of nlp.stream, bundled model", 85, Series(tuple(shares)).median, unit="%"))
        added = [
            1000 * (asyncio.run(ask_alone(url, texts[:100])) - _call_s(texts[:100], setting.threads)) for _ in range(3)
        ]
        rows.append(Row("one connection: added latency, p50", Series(tuple(added)), "ms"))
        bars.append(Bar("added latency", 1.5, Series(tuple(added)).median, at_most=True, unit=" ms"))
        beside = [asyncio.run(load_of(url, texts, connections=4, n_requests=60, long=LONG)) for _ in range(3)]
        rows.append(
            Row("short texts beside 100,000 characters, p99", Series(tuple(one.p99_ms for one in beside)), "ms")
        )
        bars.append(
            Bar(
                "short beside long, p99",
                100,
                Series(tuple(one.p99_ms for one in beside)).median,
                at_most=True,
                unit=" ms",
            )
        )
        memory = process.memory_info().rss / 2**20
        rows.append(Row("memory of the process when it was ready", Series((ready,)), "MiB"))
        rows.append(Row("memory of the process after all of these", Series((memory,)), "MiB"))
        bars.append(Bar("memory of the process", 220, memory, at_most=True, unit=" MiB"))
    rows_of_load, bars_of_load, note = _overload(setting)
    for rows_of_peer, bars_of_peer in (_peer(setting, texts), _embedding_peer(setting)):
        rows_of_load += rows_of_peer
        bars_of_load += bars_of_peer
    return Part("Serving", rows + rows_of_load, bars + bars_of_load, [note])


def _overload(setting: Setting) -> tuple[list[Row], list[Bar], str]:
    seconds = 60 if setting.sizes.repetitions > 1 else 3
    with _served(["--threads", str(setting.threads), "--max-queue", "20000"]) as (url, process):
        asyncio.run(load_of(url, all_sentences()[:100], connections=8, n_requests=100))
        before = process.memory_info().rss
        found = asyncio.run(overload(url, "".join(all_sentences()[:60]), seconds=seconds))
        grown = 100 * (process.memory_info().rss / before - 1)
    note = (
        f"overload for {seconds} s: {found.n_sent:,} requests, {found.n_answered:,} answered, "
        f"{found.n_refused:,} refused, {found.n_lost:,} without an answer; memory {grown:+.0f} %"
    )
    rows = [Row("overload: refusals within, p99", Series((found.refused_p99_ms,)), "ms")]
    bars = [
        Bar("overload: requests without an answer", 0, found.n_lost, at_most=True, unit=""),
        Bar("overload: refusals within, p99", 20, found.refused_p99_ms, at_most=True, unit=" ms"),
        Bar("overload: memory grown by", 10, grown, at_most=True, unit=" %"),
    ]
    return rows, bars, note


def _peer(setting: Setting, texts: Sequence[str]) -> tuple[list[Row], list[Bar]]:
    """BERT-base by both servers, in turns."""
    few, n_requests = texts[:64], 96 if setting.sizes.repetitions > 1 else 24
    model = ["-m", f"bert={setting.folders.bert}"]
    with _both(setting, model, "tag", setting.folders.bert) as (url, process, other):
        ours, theirs = _in_turns(setting, few, url, "/token_classify", other, n_requests)
        share = _bert_share(setting, few, url, process)
    rows = [
        Row(
            f"lexel serve, BERT-base, {PEER_CONNECTIONS} connections",
            Series(tuple(one.rate for one in ours)),
            "requests/s",
        ),
        Row(PEER, Series(tuple(one.rate for one in theirs)), "requests/s", is_peer=True),
        Row("lexel serve, BERT-base, p99", Series(tuple(one.p99_ms for one in ours)), "ms"),
        Row(f"{PEER}, p99", Series(tuple(one.p99_ms for one in theirs)), "ms", is_peer=True),
    ]
    rows.append(Row(f"share of nlp.stream's rate, BERT-base, {CONNECTIONS} connections", share, "%"))
    bars = [
        Bar("share of nlp.stream, BERT-base", 95, share.median, unit="%"),
        Bar(f"requests/s over {PEER}", 8, rows[0].series.median / rows[1].series.median),
    ]
    return rows, bars


def _embedding_peer(setting: Setting) -> tuple[list[Row], list[Bar]]:
    """all-MiniLM-L6-v2 by both servers, in turns."""
    texts, folder = list(english_sentences(200)), minilm_folder()
    n_requests = 600 if setting.sizes.repetitions > 1 else 48
    with _both(setting, ["-m", f"minilm={folder}"], "embed", folder) as (url, _, other):
        ours, theirs = _in_turns(setting, texts, url, "/embed", other, n_requests)
    name = f"lexel serve, embeddings of MiniLM-L6, {PEER_CONNECTIONS} connections"
    rows = [
        Row(name, Series(tuple(one.rate for one in ours)), "requests/s"),
        Row(EMBEDDING_PEER, Series(tuple(one.rate for one in theirs)), "requests/s", is_peer=True),
    ]
    times = rows[0].series.median / rows[1].series.median
    return rows, [Bar(f"embeddings: requests/s over {EMBEDDING_PEER}", 4, times)]


@contextmanager
def _both(setting: Setting, model: Sequence[str], kind: str, folder: str) -> Iterator[tuple[str, psutil.Process, str]]:
    """Lexel's server and the peer's: where they listen, and Lexel's process."""
    threads = str(setting.threads)
    with (
        _served(["--threads", threads, *model]) as (url, process),
        _started([sys.executable, "-m", "benchmarks.serving_peer", kind, folder, threads]) as (other, _),
    ):
        yield url, process, other


def _in_turns(
    setting: Setting, texts: Sequence[str], url: str, path: str, other: str, n_requests: int
) -> tuple[list[Load], list[Load]]:
    """Loads of Lexel's server and of the peer's, in turns."""
    found: dict[str, list[Load]] = {url: [], other: []}
    for _ in range(max(1, setting.sizes.fewer_repetitions)):
        for place, where in ((url, path), (other, "/")):
            ask = load_of(place, texts, connections=PEER_CONNECTIONS, n_requests=n_requests, path=where, field="inputs")
            found[place].append(asyncio.run(ask))
    return found[url], found[other]


def _bert_share(setting: Setting, texts: Sequence[str], url: str, process: psutil.Process) -> Series:
    """The share of ``nlp.stream``'s rate with BERT-base, by processor time."""
    n_requests = 3 * len(texts)
    direct_ms = _direct_ms(texts, setting.threads, folder=setting.folders.bert)
    shares = []
    for _ in range(max(1, setting.sizes.fewer_repetitions)):
        before = _cpu(process)
        asyncio.run(load_of(url, texts, connections=CONNECTIONS, n_requests=n_requests))
        shares.append(100 * direct_ms * n_requests / (1000 * (_cpu(process) - before)))
    return Series(tuple(shares))


def _direct_ms(texts: Sequence[str], threads: int, *, folder: str | None = None) -> float:
    """Processor time of ``nlp.stream`` for a text, in milliseconds."""
    nlp = lexel.load(folder, threads=threads)
    list(nlp.stream(texts))
    begin = time.process_time()
    for _ in range(3):
        list(nlp.stream(texts))
    return 1000 * (time.process_time() - begin) / 3 / len(texts)


def _call_s(texts: Sequence[str], threads: int) -> float:
    """The median seconds of a direct call."""
    nlp = lexel.load(threads=threads)
    nlp(texts[0])
    found = []
    for text in texts:
        begin = time.perf_counter()
        nlp(text)
        found.append(time.perf_counter() - begin)
    return Series(tuple(found)).median


@contextmanager
def _served(arguments: Sequence[str]) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "lexel", "serve", "--port", "0", "--no-access-log", *arguments]
    with _started(command) as (url, process):
        ends = time.monotonic() + 120
        while not asyncio.run(_is_ready(url)) and time.monotonic() < ends:
            time.sleep(0.1)
        yield url, process


async def _is_ready(url: str) -> bool:
    from benchmarks.serving_client import Connection

    connection = await Connection.open(url)
    try:
        return (await connection.get("/ready"))[0] == 200
    finally:
        connection.close()


@contextmanager
def _started(command: Sequence[str]) -> Iterator[tuple[str, psutil.Process]]:
    """A server process, once it says where it listens; stopped at the end."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"(http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                raise RuntimeError(f"{' '.join(command)}: ended with status {process.wait()}")
            yield found[1], psutil.Process(process.pid)
        finally:
            process.terminate()
            process.stderr.close()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

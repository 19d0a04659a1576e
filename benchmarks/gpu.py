"""A BERT-base on a GPU: ``python -m benchmarks.gpu [--quick] [--device cuda:0] [--save]``.

Four figures in one run: the bf16 matrix products that the GPU does at BERT's shapes; the encoder alone, on batches that
lie ready, and its share of those products; everything but the encoder, which is what the host can keep up with; and
text to Documents beside transformers' pipeline at its best batch and dtype. Without a GPU everything is run to its end
on the processor, in small, and no figure is compared with a goal.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
# The libraries read these when they are imported.

import numpy as np
import torch

from benchmarks.ceiling import SHAPES, useful_flop
from benchmarks.machine import describe_machine
from benchmarks.measure import Series, fastest, in_turns, rate
from benchmarks.models import BASE, TINY, Folders, Shape
from benchmarks.readers import Reader, lexel_reader, lexel_without_encoder, transformers_reader
from benchmarks.report import RESULTS, Bar, Part, Row, print_report, ratio, save_report
from benchmarks.texts import sentences
from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.base import Engine, Rows
from lexel.engines.choose import EngineOptions, available_threads, start_engine
from lexel.engines.fake import FakeEngine
from lexel.engines.loads import flatten
from lexel.engines.torch_device import torch_device
from lexel.errors import EngineError
from lexel.tasks.base import Flow, gather_blocks

SHARE, TIMES = 50.0, 20.0
"""The goals on an H200: percent of the products' rate, and times the pipeline's."""

RATE = "chars/s"
PIPELINE = "transformers pipeline"
HOST = "everything but the encoder, one core (bound by the host)"
ENCODER = "encoder alone, bf16, batches that lie ready (bound by the device)"
NO_GPU = "no GPU here: all of this ran on the processor, in small"
DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        shape: The BERT.
        sentences: Sentences that Lexel reads.
        peer_sentences: Sentences that transformers' pipeline reads.
        trial_sentences: Sentences on which its setting is chosen.
        batches: The batch sizes it may choose from.
        repetitions: How often everything is measured.
        product_rows: Rows of the matrix products.
        product_repeats: How often each is computed in one go.
    """

    shape: Shape
    sentences: int
    peer_sentences: int
    trial_sentences: int
    batches: tuple[int, ...]
    repetitions: int
    product_rows: int
    product_repeats: int


FULL = Sizes(BASE, 20_000, 3_000, 600, (8, 32, 128, 512), 5, 16_384, 50)
QUICK_ON_GPU = Sizes(BASE, 2_000, 200, 50, (8, 64), 1, 16_384, 10)
ON_CPU = Sizes(TINY, 20, 10, 4, (1, 8), 1, 64, 2)


def main() -> None:
    """Measure, and print what was found beside the goals."""
    parser = _arguments()
    options = parser.parse_args()
    device = options.device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        torch_device(device)
    except EngineError as error:
        parser.error(str(error))
    sizes = ON_CPU if device == "cpu" else QUICK_ON_GPU if options.quick else FULL
    begin, machine = time.monotonic(), describe_machine()
    with tempfile.TemporaryDirectory(prefix="lexel-bench-") as folder:
        part = measure_gpu(Folders(Path(folder), shape=sizes.shape).bert, device, sizes)
    seconds = time.monotonic() - begin
    print_report(machine, [part], seconds=seconds)
    if options.save:
        settings = {"quick": options.quick, "device": describe_device(device)}
        path = save_report(machine, [part], folder=options.save, seconds=seconds, settings=settings)
        print(path, file=sys.stderr)


def measure_gpu(folder: str, device: str, sizes: Sizes) -> Part:
    """All figures of one device; only a GPU's are compared with the goals."""
    is_gpu = device != "cpu"
    texts = list(sentences(sizes.sentences))
    products = Series(tuple(product_rate(device, sizes) / 1e12 for _ in range(sizes.repetitions)))
    encoders, notes = _encoders(folder, device, texts)
    alone = _measure(encoders, sizes, "encoder alone")
    flop_per_char = _flop_per_char(folder, sizes.shape, texts)
    shares = {
        name: Series(tuple(100 * chars * flop_per_char / (products.median * 1e12) for chars in series.values))
        for name, series in alone.items()
    }
    readers, choice = _readers(folder, device, sizes)
    without = lexel_without_encoder(folder, threads=1)
    without(texts)
    host = {HOST: partial(rate, without, texts)}
    whole = _measure(host | _passes(readers, sizes), sizes, "text to Documents")
    share = next(iter(shares.values())).median  # as it comes, not compiled
    return Part(
        f"BERT with random weights on {describe_device(device)['name']}",
        [
            Row("bf16 matrix products at BERT's shapes", products, "TFLOP/s"),
            *(Row(name, series, RATE) for name, series in alone.items()),
            *(Row(f"{name}, share of the products", series, "%") for name, series in shares.items()),
            *(Row(name, series, RATE) for name, series in whole.items()),
        ],
        [
            Bar("encoder alone, share of the bf16 product rate", SHARE, share if is_gpu else None, unit=" %"),
            Bar(
                "text to Documents over transformers' pipeline at its best batch and dtype",
                TIMES,
                ratio(whole["Lexel bf16"], whole[PIPELINE]) if is_gpu else None,
                note=choice,
            ),
        ],
        [
            *notes,
            bound_by(host=whole[HOST].median, encoder=max(series.median for series in alone.values())),
            f"{PIPELINE}: {choice}",
            *([] if is_gpu else [NO_GPU]),
        ],
    )


def bound_by(*, host: float, encoder: float) -> str:
    """Which of two rates decides how fast text becomes Documents, in words."""
    slower, other = ("the host", "the device") if host < encoder else ("the device", "the host")
    ratio_of = max(host, encoder) / min(host, encoder)
    return f"text to Documents is bound by {slower}: {other} could do {ratio_of:.1f} times as much"


def describe_device(device: str) -> dict[str, Any]:
    """The device as it is kept with the figures."""
    if device == "cpu":
        return {"name": "the processor", "torch": torch.__version__}
    properties = torch.cuda.get_device_properties(device)
    return {
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
    }


# The parts -----------------------------------------------------------------------------------------------------------


def product_rate(device: str, sizes: Sizes) -> float:
    """Operations a second of bf16 products on random data, weighted as a layer of BERT has them."""
    seconds = flop = 0.0
    for n_inputs, n_outputs, share in SHAPES:
        rows = torch.randn(sizes.product_rows, n_inputs, device=device, dtype=torch.bfloat16)
        weight = torch.randn(n_outputs, n_inputs, device=device, dtype=torch.bfloat16)
        bias = torch.randn(n_outputs, device=device, dtype=torch.bfloat16)
        product = partial(torch.nn.functional.linear, rows, weight, bias)
        seconds += share * _median_seconds(product, device, repeats=sizes.product_repeats)
        flop += share * 2 * sizes.product_rows * n_inputs * n_outputs
    return flop / seconds


def _median_seconds(compute: Callable[[], object], device: str, *, repeats: int) -> float:
    """The median of five goes, in each of which the work is done several times; one go before them is not measured."""
    found = []
    for _ in range(6):
        begin = time.perf_counter()
        for _ in range(repeats):
            compute()
        if device != "cpu":
            torch.cuda.synchronize(device)
        found.append((time.perf_counter() - begin) / repeats)
    return statistics.median(found[1:])


def prepared(checkpoint: Checkpoint, texts: Sequence[str], *, batch_pieces: int) -> list[Rows]:
    """The batches that a flow gives an engine for these texts."""
    flow = Flow("prepared", checkpoint, FakeEngine({}), outputs=list(checkpoint.heads), batch_pieces=batch_pieces)
    return [batch.rows for block in gather_blocks(texts) for batch in flow.batches([flow.prepare(block)])]


def _encoders(folder: str, device: str, texts: Sequence[str]) -> tuple[dict[str, Callable[[], float]], list[str]]:
    """The encoder on prepared batches, in characters a second: as it comes, and on a GPU compiled as well."""
    checkpoint, n_chars = open_checkpoint(folder), sum(map(len, texts))
    encoders: dict[str, Callable[[], float]] = {}
    notes = []
    for is_compiled in (False, True) if device != "cpu" else (False,):
        options = EngineOptions("torch", precision="bf16", device=device, is_compiled=is_compiled)
        engine: Any = start_engine(checkpoint, options)
        batches = prepared(checkpoint, texts, batch_pieces=engine.batch_pieces)
        once = partial(_encode, engine, batches, outputs=list(checkpoint.heads), n_chars=n_chars)
        once()
        name = f"{ENCODER}{', compiled' * is_compiled}"
        encoders[name] = once
        attention = "flash attention of variable length" if engine.own.attends_in_segments else "rows with a mask"
        notes.append(f"{name}: {attention}, loads of {engine.batch_pieces:,} slots")
    return encoders, notes


def _encode(engine: Engine, batches: Sequence[Rows], *, outputs: Sequence[str], n_chars: int) -> float:
    """Characters a second of one pass over the batches."""
    begin = time.perf_counter()
    for _ in engine.run(batches, outputs):
        pass
    return n_chars / (time.perf_counter() - begin)


def _flop_per_char(folder: str, shape: Shape, texts: Sequence[str]) -> float:
    load = flatten(prepared(open_checkpoint(folder), texts, batch_pieces=2048))
    return useful_flop(shape, np.diff(load.sequences).tolist()) / sum(map(len, texts))


def _readers(folder: str, device: str, sizes: Sizes) -> tuple[dict[str, Reader], str]:
    """Lexel and the pipeline, at the batch and dtype that a trial found best, which is given in words."""
    threads = available_threads()
    makers = {
        f"batches of {batch}, {dtype}": partial(
            transformers_reader, folder, threads=threads, batch=batch, device=device, dtype=dtype
        )
        for dtype in (DTYPES if device != "cpu" else DTYPES[:1])
        for batch in sizes.batches
    }
    choice, pipeline = fastest(makers, list(sentences(sizes.trial_sentences)), who=PIPELINE)
    lexel = lexel_reader(folder, threads=threads, precision="bf16", engine="torch", device=device)
    lexel(sentences(sizes.sentences))
    return {"Lexel bf16": lexel, PIPELINE: pipeline}, f"{choice}, the best of {len(makers)}"


def _passes(readers: Mapping[str, Reader], sizes: Sizes) -> dict[str, Callable[[], float]]:
    counts = {"Lexel bf16": sizes.sentences, PIPELINE: sizes.peer_sentences}
    return {name: partial(rate, read, list(sentences(counts[name]))) for name, read in readers.items()}


def _measure(contestants: Mapping[str, Callable[[], float]], sizes: Sizes, what: str) -> dict[str, Series]:
    found = in_turns(contestants, repetitions=sizes.repetitions, what=what)
    return {name: Series(values) for name, values in found.items()}


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one repetition of everything in small, to see it run")
    parser.add_argument("--device", help="cuda:N or cpu (default: the first GPU, if there is one)")
    parser.add_argument(
        "--save",
        type=Path,
        nargs="?",
        const=RESULTS,
        metavar="FOLDER",
        help=f"keep the figures as JSON ({RESULTS.name}/)",
    )
    return parser


if __name__ == "__main__":
    main()

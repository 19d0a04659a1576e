"""What an exported BERT-base costs in each runtime, beside the graph that torch's own exporter writes, in one run.

python -m benchmarks.exported [--rounds 15] [--folder FOLDER]

With ``--folder`` the exported files are kept there, and used again by the next run.

All read the same padded batch; turns are interleaved, and a figure is the median with the least and the most. Beside it
stands the largest difference from the scores of transformers.
Formats whose library is not installed are left out. The weights are random: time does not depend on them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks.machine import describe_machine
from lexel.checkpoint import open_checkpoint
from lexel.engines.onnx_session import open_session
from lexel.errors import MissingExtra
from lexel.export.formats import FORMATS, check_libraries
from lexel.export.onnx import write_onnx
from lexel.export.onnx_runtime import quantise
from lexel.export.standard import Target

ROWS, LENGTH, LABELS = 8, 128, 30
Turn = Callable[[], Any]
PEER = "transformers (PyTorch)"
RUN_BY = {
    "pt2": "PyTorch",
    "jax": "JAX",
    "tensorflow": "TensorFlow",
    "litert": "LiteRT",
    "openvino": "OpenVINO, float32",
}


def build_model(folder: Path) -> Any:
    """A BERT-base with random weights and a head for labels of pieces."""
    torch.manual_seed(0)
    config = transformers.BertConfig(num_labels=LABELS, id2label={i: f"L{i}" for i in range(LABELS)})
    model = transformers.BertForTokenClassification(config).eval()
    model.save_pretrained(folder)
    return model


def write_by_torch(model: Any, path: Path) -> None:
    """The graph that torch's exporter makes of transformers' model; one tensor given twice would become one input."""
    given = {name: torch.ones(2, 16, dtype=torch.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    rows, length = torch.export.Dim("rows", min=1), torch.export.Dim("length", min=1, max=512)
    torch.onnx.export(
        model, kwargs=given, f=path, dynamo=True, opset_version=18,
        dynamic_shapes={name: {0: rows, 1: length} for name in given},
    )  # fmt: skip


def write_all(folder: Path) -> None:
    """Write the model, and every file that is measured."""
    model, checkpoint = build_model(folder), open_checkpoint(folder)
    target = Target(next(iter(checkpoint.heads.values())))
    for name in ("ours", "int8", "torch"):
        (folder / name).mkdir()
    write_onnx(checkpoint, folder / "ours" / "model.onnx", target)
    quantise(folder / "ours" / "model.onnx", folder / "int8" / "model.onnx", is_split=False)
    write_by_torch(model, folder / "torch" / "model.onnx")
    for name in _installed():
        FORMATS[name].write(checkpoint, folder, target, name=name)


def turns(folder: Path, batch: dict[str, Any]) -> dict[str, tuple[Turn, int]]:
    """What runs the batch, and how many bytes it read, by name."""
    found: dict[str, tuple[Turn, int]] = {}
    for name, place in (
        ("onnx float32", "ours"),
        ("onnx int8", "int8"),
        ("onnx float32, by torch's exporter", "torch"),
    ):
        session = open_session(folder / place / "model.onnx", threads=1)
        given = {value.name: batch[value.name] for value in session.get_inputs()}
        size = sum(path.stat().st_size for path in (folder / place).iterdir())
        found[name] = (lambda session=session, given=given: session.run(None, given)[0], size)
    for name in _installed():
        run = FORMATS[name].run(folder, name=name)
        size = sum(path.stat().st_size for path in FORMATS[name].files(folder))
        found[name] = (lambda run=run: run(batch)["logits"], size)
    model = transformers.BertForTokenClassification.from_pretrained(folder).eval()
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    found[PEER] = (lambda: _no_grad(model, tensors), 0)
    return found


def _installed() -> list[str]:
    """The other formats whose libraries are there."""
    found = []
    for name in RUN_BY:
        with suppress(MissingExtra):
            check_libraries({name})
            found.append(name)
    return found


def _no_grad(model: Any, given: dict[str, Any]) -> Any:
    with torch.no_grad():
        return model(**given).logits.numpy()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    rounds = options.rounds
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    batch = {
        "input_ids": random.integers(5, 20_000, (ROWS, LENGTH)),
        "attention_mask": np.ones((ROWS, LENGTH), np.int64),
        "token_type_ids": np.zeros((ROWS, LENGTH), np.int64),
    }
    with tempfile.TemporaryDirectory() as passing:
        folder = options.folder or Path(passing)
        if not (folder / "config.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_all(folder)
        candidates = turns(folder, batch)
        exact = candidates[PEER][0]()
        apart = {name: float(np.abs(turn() - exact).max()) for name, (turn, _) in candidates.items()}
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(2 + rounds):
            for name, (turn, _) in candidates.items():
                start = time.process_time()
                turn()
                seconds[name].append(time.process_time() - start)
    usual = median(seconds["onnx float32, by torch's exporter"][2:])
    print(f"{ROWS} x {LENGTH} pieces, BERT-base, processor's time, {rounds} rounds; {describe_machine().processor}")
    print(
        f"largest score {np.abs(exact).max():.2f}; int8 takes {_share(seconds, 'onnx int8', 'onnx float32')} of float32"
    )
    print("| target | run by | MB | largest difference | ms, median (least to most) | of torch's exporter |")
    print("|---|---|---:|---:|---:|---:|")
    for name, (_, size) in candidates.items():
        own = sorted(1000 * value for value in seconds[name][2:])
        spread = f"{median(own):,.0f} ({own[0]:,.0f} to {own[-1]:,.0f})"
        by = RUN_BY.get(name, PEER if name == PEER else "ONNX Runtime")
        share = f"{median(own) / 1000 / usual:.2f}"
        print(f"| {name} | {by} | {size / 1e6:,.0f} | {apart[name]:.1g} | {spread} | {share} |")


def _share(seconds: dict[str, list[float]], name: str, other: str) -> str:
    """The median of the ratios of neighbouring turns."""
    return f"{median(a / b for a, b in zip(seconds[name][2:], seconds[other][2:], strict=True)):.2f}"


if __name__ == "__main__":
    main()

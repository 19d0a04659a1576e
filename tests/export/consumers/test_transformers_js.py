"""transformers.js in Node.js on exported folders: pieces and labels beside ONNX Runtime's."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tokenizers

HERE = Path(__file__).parent


def by_node(modules: Path, folder: Path, dtype: str, texts: list[str]) -> list[dict[str, Any]]:
    shutil.copy(HERE / "tags.mjs", modules)
    done = subprocess.run(
        ["node", "tags.mjs", str(folder), dtype],
        cwd=modules, input=json.dumps(texts), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def by_onnxruntime(folder: Path, graph: str, texts: list[str]) -> list[dict[str, Any]]:
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(folder / "onnx" / graph), providers=["CPUExecutionProvider"])
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    found = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids])
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (logits,) = session.run(None, given)
        found.append({"ids": ids[0].tolist(), "labels": [labels[str(i)] for i in logits[0].argmax(-1)]})
    return found


@pytest.mark.parametrize("head", ["words", "pos", "entities"])
def test_pieces_and_labels_are_those_of_onnxruntime(
    head: str, exported: Path, node_modules: Path, sentences: list[str]
) -> None:
    found = by_node(node_modules, exported / head, "fp32", sentences)
    assert found == by_onnxruntime(exported / head, "model.onnx", sentences)


@pytest.mark.parametrize(("dtype", "graph"), [("q8", "model_quantized.onnx"), ("fp16", "model_fp16.onnx")])
def test_small_graphs_run_too(dtype: str, graph: str, exported: Path, node_modules: Path, sentences: list[str]) -> None:
    found = by_node(node_modules, exported / "words", dtype, sentences)
    expected = by_onnxruntime(exported / "words", graph, sentences)
    pairs = [
        (one, other)
        for a, b in zip(found, expected, strict=True)
        for one, other in zip(a["labels"], b["labels"], strict=True)
    ]
    assert np.mean([one != other for one, other in pairs]) < 0.002

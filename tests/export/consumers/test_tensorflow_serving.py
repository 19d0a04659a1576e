"""A SavedModel as TensorFlow Serving reads it: the graph tagged ``serve``, fed through its signatures from JSON.

The server itself is not installed. Its REST API takes one JSON value a row under ``instances``, stacks them, and feeds
the tensors that the signature names; the program below does the same in a process without Lexel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexel.export.folder import export_model
from tests.export.onnx.test_folder import Exported

pytest.importorskip("tensorflow")

TEXTS = ["傅達仁在台北。", "他来了", "好"]
PROGRAM = """
import json, sys
import numpy as np
import tensorflow as tf
answers = []
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    meta = tf.compat.v1.saved_model.load(session, ["serve"], sys.argv[1])
    for body in json.load(sys.stdin):
        signature, rows = meta.signature_def[body["signature_name"]], body["instances"]
        assert signature.method_name == "tensorflow/serving/predict"
        if not isinstance(rows[0], dict):
            (only,) = signature.inputs
            rows = [{only: row} for row in rows]
        feed = {
            info.name: np.array([row[name] for row in rows], tf.dtypes.as_dtype(info.dtype).as_numpy_dtype)
            for name, info in signature.inputs.items()
        }
        ((_, info),) = signature.outputs.items()
        found = session.run(info.name, feed)
        answers.append(found.astype(str).tolist() if found.dtype == object else found.tolist())
assert "lexel" not in sys.modules
print("answers: " + json.dumps(answers))
"""
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("serving") / "out"
    export_model(None, out, to=["onnx", "tensorflow"], head="entities")
    return out


@pytest.fixture(scope="module")
def instances(folder: Path) -> list[dict[str, list[int]]]:
    """The rows of a request: what the tokenizer of the folder makes of the texts."""
    tokenizer = Exported(folder).tokenizer
    tokenizer.enable_padding()
    return [
        {"input_ids": row.ids, "attention_mask": row.attention_mask, "token_type_ids": row.type_ids}
        for row in tokenizer.encode_batch(TEXTS)
    ]


@pytest.fixture(scope="module")
def answers(folder: Path, instances: list[dict[str, list[int]]]) -> Any:
    """What the server would answer to two requests: for scores, and for labels of texts."""
    bodies = [
        {"signature_name": "serving_default", "instances": instances},
        {"signature_name": "text", "instances": TEXTS},
    ]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder / "tensorflow")],
        input=json.dumps(bodies), capture_output=True, text=True, timeout=300, check=False, env=QUIET,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("answers: "))
    return json.loads(line.removeprefix("answers: "))


def test_scores_of_a_request_are_those_of_onnxruntime(
    folder: Path, instances: list[dict[str, list[int]]], answers: Any
) -> None:
    given = {name: np.array([row[name] for row in instances]) for name in instances[0]}
    (expected,) = Exported(folder).session.run(["logits"], given)
    is_piece = given["attention_mask"] == 1
    assert np.abs(np.array(answers[0]) - expected)[is_piece].max() <= 1e-4


def test_labels_of_texts_are_those_of_onnxruntime(folder: Path, answers: Any) -> None:
    for text, row in zip(TEXTS, answers[1], strict=True):
        assert row[: len(text)] == Exported(folder).tags(text)
        assert set(row[len(text) :]) <= {""}


def test_saved_model_cli_shows_the_inputs_by_name(folder: Path) -> None:
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show", "--dir"]
    done = subprocess.run(
        [*command, str(folder / "tensorflow"), "--tag_set", "serve", "--signature_def", "serving_default"],
        capture_output=True, text=True, timeout=300, check=False, env=QUIET,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        described = done.stdout.partition(f"inputs['{name}'] tensor_info:")[2]
        assert described.split()[:4] == ["dtype:", "DT_INT64", "shape:", "(-1,"]
    assert "outputs['logits'] tensor_info:" in done.stdout
    assert "Method name is: tensorflow/serving/predict" in done.stdout

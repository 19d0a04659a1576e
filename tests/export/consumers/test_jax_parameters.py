"""The JAX program and its parameters in a process without Lexel: safetensors' Flax reader, Orbax, ``jax.export``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lexel.export.folder import export_model
from tests.builders import ENTITIES, build_tagger
from tests.export.onnx.test_folder import Exported

pytest.importorskip("orbax.checkpoint")

PROGRAM = """
import sys
from pathlib import Path
import jax, numpy as np, orbax.checkpoint
from jax import export
from safetensors.flax import load_file
folder = Path(sys.argv[1])
params = load_file(folder / "out" / "jax" / "model.safetensors")
checkpointer = orbax.checkpoint.StandardCheckpointer()
checkpointer.save(folder / "orbax", params)
checkpointer.wait_until_finished()
restored = checkpointer.restore(folder / "orbax", jax.tree.map(np.zeros_like, params))
program = export.deserialize(bytearray((folder / "out" / "jax" / "model.stablehlo").read_bytes()))
given = np.load(folder / "batch.npz")
names = ("input_ids", "attention_mask", "token_type_ids")
logits = program.call(restored, *(given[name].astype(np.int32) for name in names))["logits"]
np.save(folder / "logits.npy", np.asarray(logits))
assert "lexel" not in sys.modules
"""


def test_orbax_keeps_the_parameters_and_the_program_gives_the_scores_of_onnxruntime(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"entities": ENTITIES})
    export_model(folder, tmp_path / "out", to=["onnx", "jax"])
    exported = Exported(tmp_path / "out")
    encodings, outputs = exported(["he went to new york.", "in"])
    np.savez(
        tmp_path / "batch.npz",
        input_ids=[one.ids for one in encodings],
        attention_mask=[one.attention_mask for one in encodings],
        token_type_ids=[one.type_ids for one in encodings],
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    is_piece = np.array([one.attention_mask for one in encodings]) == 1
    assert np.abs(np.load(tmp_path / "logits.npy") - outputs["logits"])[is_piece].max() <= 1e-4

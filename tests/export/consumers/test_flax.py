"""transformers 4.57, the last one with Flax, reads the plain folders, and Lexel reads what its Flax models write.

It runs in the environment that ``LEXEL_OPTIMUM`` names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.convert import convert
from lexel.export.standard import Target
from lexel.export.torch import run_torch, write_torch
from tests.builders import RECIPES, build_reference
from tests.export.onnx.test_parity import TOLERANCE, padded

PYTHON = os.environ.get("LEXEL_OPTIMUM", "")
FAMILIES = ("bert", "roberta", "electra", "albert", "distilbert")

pytestmark = pytest.mark.skipif(not PYTHON, reason="LEXEL_OPTIMUM names no Python with Flax")

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from transformers import FlaxAutoModelForTokenClassification
for folder in map(Path, sys.argv[1:]):
    model = FlaxAutoModelForTokenClassification.from_pretrained(folder / "out")
    np.save(folder / "logits.npy", np.asarray(model(**np.load(folder / "batch.npz")).logits))
    model.save_pretrained(folder / "flax")
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For each family a plain folder, a batch, and what a Flax model of it gives and writes."""
    root = tmp_path_factory.mktemp("flax")
    for name in FAMILIES:
        build_reference(root / name / "model", RECIPES[name])
        checkpoint = open_checkpoint(root / name / "model")
        (root / name / "out").mkdir()
        shutil.copy(root / name / "model" / "config.json", root / name / "out")
        write_torch(checkpoint, root / name / "out", Target(checkpoint.heads["entities"]))
        batch = padded(checkpoint.config)
        if not checkpoint.config.n_types:
            del batch["token_type_ids"]
        np.savez(root / name / "batch.npz", **batch)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "JAX_PLATFORMS": "cpu", "PYTHONPATH": "", "USE_FLAX": "1"}
    done = subprocess.run(
        [PYTHON, "-c", PROGRAM, *(str(root / name) for name in FAMILIES)],
        capture_output=True, text=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "newly initialized" not in done.stderr
    assert "were not used" not in done.stderr
    return root


@pytest.mark.parametrize("name", FAMILIES)
def test_a_flax_model_of_a_plain_folder_gives_the_scores_of_pytorch(name: str, folders: Path) -> None:
    batch = dict(np.load(folders / name / "batch.npz"))
    expected = run_torch(folders / name / "out")(batch)["logits"]
    found, is_piece = np.load(folders / name / "logits.npy"), batch["attention_mask"] == 1
    assert np.abs(found - expected)[is_piece].max() <= TOLERANCE


@pytest.mark.parametrize("name", FAMILIES)
def test_lexel_converts_what_a_flax_model_wrote(name: str, folders: Path, tmp_path: Path) -> None:
    old = shutil.copytree(folders / name / "flax", tmp_path / "old")
    assert (old / "flax_model.msgpack").is_file()
    found, expected = (
        load_file(folder / "model.safetensors") for folder in (convert(old, tmp_path / "new"), folders / name / "out")
    )
    positions = {key for key in expected if key.endswith("position_ids")}
    assert found.keys() == expected.keys() - positions
    assert all(np.array_equal(found[key], expected[key]) for key in found)
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["model_type"] == open_checkpoint(tmp_path / "new").config.model_type

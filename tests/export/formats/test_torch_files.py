"""``pytorch_model.bin`` and ``model.pt2`` in a process that has PyTorch alone, without Lexel and transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from lexel.checkpoint import open_checkpoint
from lexel.export.folder import export_model
from lexel.export.standard import Target
from lexel.export.torch_program import write_pt2
from tests.builders import RECIPES, WORDS, build_reference, build_tagger
from tests.export.onnx.test_parity import TOLERANCE, by_torch, padded

PROGRAM = """
import sys
from pathlib import Path
import numpy as np, torch
folder = Path(sys.argv[1])
program = torch.export.load(folder / "model.pt2").module()
for path in folder.glob("*.npz"):
    given = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    with torch.no_grad():
        np.save(path.with_suffix(".npy"), program(**given)["logits"].numpy())
assert not {"lexel", "transformers"} & set(sys.modules)
"""


def test_pt2_gives_the_scores_of_transformers_for_any_number_of_rows(tmp_path: Path) -> None:
    model = build_reference(tmp_path / "model", RECIPES["bert"])
    checkpoint = open_checkpoint(tmp_path / "model")
    (tmp_path / "out").mkdir()
    write_pt2(checkpoint, tmp_path / "out", Target(checkpoint.heads["entities"]))
    whole = padded(checkpoint.config)
    batches = {"whole": whole, "row": {name: array[:1, :5] for name, array in whole.items()}}
    for name, batch in batches.items():
        np.savez(tmp_path / "out" / f"{name}.npz", **batch)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "out")], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, batch in batches.items():
        expected, is_piece = by_torch(model, checkpoint.config, batch).logits.numpy(), batch["attention_mask"] == 1
        assert np.abs(np.load(tmp_path / "out" / f"{name}.npy") - expected)[is_piece].max() <= TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_bin_holds_the_tensors_of_the_plain_folder_in_their_types(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS})
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    safetensors.torch.save_file(
        {name: tensor.to(dtype) for name, tensor in tensors.items()}, folder / "model.safetensors"
    )
    export_model(folder, tmp_path / "out", to=["torch", "bin"])
    found = torch.load(tmp_path / "out" / "pytorch_model.bin", weights_only=True)
    expected = safetensors.torch.load_file(tmp_path / "out" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(found[name].dtype == dtype and torch.equal(found[name], expected[name]) for name in found)

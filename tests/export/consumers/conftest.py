"""The programs that exported folders are made for, each in its own environment: ``make test-export`` installs them.

They are left out of ``make test``: they fetch packages of npm and need more than 2 GB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lexel.data import read_jsonl
from lexel.export.folder import export_model

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

ROOT = Path(__file__).parents[3]
ASKED = os.environ.get("LEXEL_TEST_EXPORT") == "1"

collect_ignore_glob = [] if ASKED else ["test_*.py"]


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """100 sentences of UD Chinese GSDSimp that fit the bundled model's window."""
    texts = [document.text for document in read_jsonl(ROOT / "tests" / "data" / "zh_gsdsimp.jsonl")]
    found = [text for text in texts if len(text) <= 254][:100]
    assert len(found) == 100
    return found


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as ONNX in three precisions."""
    folder = tmp_path_factory.mktemp("exported") / "zh"
    export_model(None, folder, precisions=("float32", "int8", "float16"))
    return folder


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with transformers.js; no script of a package is run."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(Path(__file__).with_name("package.json"), folder)
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)
    return folder

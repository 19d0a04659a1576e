"""A sentence-transformers folder keeps its maps wherever it is taken: from the hub, and into a new folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lexel import Embedder
from lexel.checkpoint.folder import copy_description, new_folder
from tests.checkpoint.hub_server import Hub, Repository
from tests.checkpoint.test_source import hub
from tests.embed.conftest import HIDDEN, TEXTS, dense, make_sentence_folder, normalised

__all__ = ["hub"]

COMMIT = "b" * 40


@pytest.fixture(scope="module")
def folder(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that must not be lost: pooling, a map with weights, a prompt."""
    path = tmp_path_factory.mktemp("sentence") / "model"
    further = [dense(HIDDEN, 12), normalised()]
    make_sentence_folder(path, encoder, pooling="cls", further=further, prompts={"query": "the "})
    return path


def test_a_model_of_the_hub_is_fetched_with_its_maps(folder: Path, hub: Hub) -> None:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files |= {"onnx/model.onnx": b"x", "modeling.py": b"x", "rust_model.ot": b"x"}
    hub.repositories["owner/sentences"] = Repository(files, {"main": COMMIT, COMMIT: COMMIT})
    found = Embedder.load("owner/sentences", engine="numpy", prompt="query")
    expected = Embedder.load(folder, engine="numpy", prompt="query")
    np.testing.assert_array_equal(found.encode(TEXTS), expected.encode(TEXTS))
    assert not [request for request in hub.requests if request.endswith((".onnx", ".py", ".ot"))]


def test_a_copy_of_a_folder_pools_as_the_folder_does(folder: Path, tmp_path: Path) -> None:
    with new_folder(tmp_path / "copy") as copy:
        copy_description(folder, copy)
        (copy / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    found, expected = (Embedder.load(path, engine="numpy") for path in (tmp_path / "copy", folder))
    assert found.plan.said == expected.plan.said
    np.testing.assert_array_equal(found.encode(TEXTS), expected.encode(TEXTS))

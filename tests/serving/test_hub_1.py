"""The hub client of the versions 1.x, which stands in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serving.hub_client import TEXT
from tests.serving.live import LiveServer

PYTHON = os.environ.get("LEXEL_HUB_1", "")

pytestmark = pytest.mark.skipif(not PYTHON, reason="no environment with huggingface_hub 1.x; run make test-clients")


@pytest.fixture(scope="module")
def found(server: LiveServer) -> dict[str, Any]:
    """What the client gave, by task."""
    command = [PYTHON, str(Path(__file__).parent / "hub_client.py"), server.url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def test_it_is_of_version_1(found: dict[str, Any]) -> None:
    assert found["version"].startswith("1.")


def test_entities_index_the_text(found: dict[str, Any]) -> None:
    assert found["tokens"]
    assert all(TEXT[one["start"] : one["end"]] == one["word"] for one in found["tokens"])


def test_classes_and_labels_of_the_request(found: dict[str, Any]) -> None:
    assert {one["label"] for one in found["classes"]} == {"sports", "law", "art"}
    assert {one["label"] for one in found["zero_shot"]} == {"new york", "live"}


def test_masks_answers_and_vectors(found: dict[str, Any]) -> None:
    assert len(found["masks"]) == 4
    assert "new york live"[found["answer"]["start"] : found["answer"]["end"]] == found["answer"]["answer"]
    assert found["similarity"][0] == pytest.approx(1, abs=1e-3)
    assert found["vectors"] == [1, 256]

"""Clients in versions that do not fit the other packages, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serving.clients.hub_client import TEXT
from tests.serving.live import LiveServer

HUBS = {"1.1.4": os.environ.get("LEXEL_HUB_1_1", ""), "1.33": os.environ.get("LEXEL_OTHER_CLIENTS", "")}
"""Interpreters by the version of huggingface_hub beside them; 1.1.4 is the last to expect zero-shot's older shape."""
TRITON = os.environ.get("LEXEL_OTHER_CLIENTS", "")

pytestmark = pytest.mark.skipif("" in (*HUBS.values(), TRITON), reason="no other clients; run make test-clients")


def told(python: str, program: str, url: str) -> Any:
    """The JSON that a program prints of a server, run by another interpreter."""
    command = [python, str(Path(__file__).parent / program), url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=HUBS)
def hub(server: LiveServer, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a hub client gave, by task."""
    results: dict[str, Any] = told(HUBS[request.param], "hub_client.py", server.url)
    assert results["version"].startswith(request.param)
    return results


def test_entities_index_the_text(hub: dict[str, Any]) -> None:
    assert hub["tokens"]
    assert all(TEXT[one["start"] : one["end"]] == one["word"] for one in hub["tokens"])


def test_classes_and_labels_of_the_request(hub: dict[str, Any]) -> None:
    assert {one["label"] for one in hub["classes"]} == {"sports", "law", "art"}
    assert {one["label"] for one in hub["zero_shot"]} == {"new york", "live"}


def test_masks_answers_and_vectors(hub: dict[str, Any]) -> None:
    assert len(hub["masks"]) == 4
    assert "new york live"[hub["answer"]["start"] : hub["answer"]["end"]] == hub["answer"]["answer"]
    assert hub["similarity"][0] == pytest.approx(1, abs=1e-3)
    assert hub["vectors"] == [1, 256]


def test_tritons_newest_client_sends_and_gets_binary_tensors(server: LiveServer) -> None:
    found = told(TRITON, "triton_client.py", server.url)
    assert found["version"] == "2.73.0"
    assert found["health"] == [True, True, True, False]
    assert found["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [record["text"] for record in found["records"]] == ["他在北京。", "ok"]
    assert found["records"][0]["words"][0]["text"] == "他"
    assert found["asynchronous"] == found["records"]

"""The JavaScript clients of Hugging Face and OpenAI against a live server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serving.live import LiveServer

NODE = Path(__file__).parent / "node"
TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"

pytestmark = pytest.mark.skipif(
    None in (shutil.which("node"), shutil.which("npm")), reason="no node and npm on PATH; install Debian's nodejs, npm"
)


@pytest.fixture(scope="module")
def found(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each client gave, by name."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "clients.mjs"):
        shutil.copy(NODE / name, folder)
    run = {"cwd": folder, "check": True, "capture_output": True, "text": True, "timeout": 120}
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], **run)  # type: ignore[call-overload]
    done = subprocess.run(["node", "clients.mjs", server.url], **run)  # type: ignore[call-overload]
    results: dict[str, Any] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("call", ["tokenClassification", "tokenClassificationOfModel"])
def test_entities_have_groups_and_offsets(found: dict[str, Any], call: str) -> None:
    assert found[call]
    for entity in found[call]:
        assert entity["entity_group"] in ("PER", "LOC", "ORG")
        assert TEXT[entity["start"] : entity["end"]] == entity["word"]


def test_classes_come_with_scores(found: dict[str, Any]) -> None:
    assert {one["label"] for one in found["textClassification"]} == {"sports", "law", "art"}


def test_labels_of_the_request_come_with_scores(found: dict[str, Any]) -> None:
    assert {one["label"] for one in found["zeroShotClassification"]} == {"new york", "live"}


def test_masks_are_filled(found: dict[str, Any]) -> None:
    assert len(found["fillMask"]) == 3
    assert all(isinstance(one["token_str"], str) for one in found["fillMask"])


def test_a_text_has_a_vector(found: dict[str, Any]) -> None:
    (vector,) = found["featureExtraction"]
    assert len(vector) == 256


def test_a_text_is_most_like_itself(found: dict[str, Any]) -> None:
    same, other = found["sentenceSimilarity"]
    assert same == pytest.approx(1, abs=1e-3)
    assert other < same


def test_an_answer_is_a_span_of_its_context(found: dict[str, Any]) -> None:
    answer = found["questionAnswering"]
    assert "new york live"[answer["start"] : answer["end"]] == answer["answer"]


def test_models_are_listed(found: dict[str, Any]) -> None:
    assert [model["id"] for model in found["models"]] == ["zh", "joint", "nli"]


def test_vectors_in_base64_are_those_in_numbers(found: dict[str, Any]) -> None:
    assert len(found["embeddings"]) == 2
    packed, plain = found["embeddings"][0]["embedding"], found["embeddingsAsNumbers"][0]["embedding"]
    assert packed == pytest.approx(plain, abs=1e-2)  # two requests: bf16 may differ by what was read together


def test_token_ids_are_refused_with_a_status(found: dict[str, Any]) -> None:
    assert found["tokenIds"]["status"] == 422
    assert "token ids" in found["tokenIds"]["error"]

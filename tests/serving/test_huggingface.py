"""Hugging Face's own client against a live server: every task that it parses."""

from __future__ import annotations

from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import InferenceClient

from tests.serving.live import LiveServer


@pytest.fixture(autouse=True)
def may_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests forbid the hub library every connection; here it talks to this machine."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"


def client(server: LiveServer, path: str = "") -> InferenceClient:
    return InferenceClient(base_url=server.url + path)


@pytest.mark.parametrize("path", ["", "/models/zh", "/models/zh/pipeline/token-classification"])
def test_entities_have_types_scores_and_offsets(server: LiveServer, path: str) -> None:
    found = client(server, path).token_classification(TEXT)
    assert found
    for entity in found:
        assert entity.entity_group in ("PER", "LOC", "ORG")
        assert TEXT[entity.start : entity.end] == entity.word


def test_every_piece_comes_with_a_group_when_nothing_is_aggregated(server: LiveServer) -> None:
    found = client(server).token_classification(TEXT, aggregation_strategy="none")
    assert all(isinstance(entity.entity_group, str) for entity in found)


def test_vectors_of_one_and_of_several_texts(server: LiveServer) -> None:
    one = client(server, "/models/zh/pipeline/feature-extraction").feature_extraction(TEXT, normalize=True)
    assert one.shape == (1, 256)
    assert float((one**2).sum()) == pytest.approx(1, abs=1e-3)


def test_similarities(server: LiveServer) -> None:
    asked = client(server, "/models/zh/pipeline/sentence-similarity")
    found = asked.sentence_similarity(TEXT, other_sentences=[TEXT, "天氣"])
    assert found[0] == pytest.approx(1, abs=1e-3)


def test_classes(server: LiveServer) -> None:
    found = client(server, "/models/joint/pipeline/text-classification").text_classification("天下的人")
    assert {one.label for one in found} == {"sports", "law", "art"}


def test_zero_shot_classes(server: LiveServer) -> None:
    found = client(server, "/models/nli").zero_shot_classification("天下的人", ["new york", "live"])
    assert {one.label for one in found} == {"new york", "live"}


def test_masks(server: LiveServer) -> None:
    found = client(server, "/models/joint/pipeline/fill-mask").fill_mask("天下的[MASK]", top_k=4)
    assert len(found) == 4
    assert all(isinstance(one.token_str, str) for one in found)


def test_answers(server: LiveServer) -> None:
    found: Any = client(server, "/models/joint").question_answering(question="in", context="new york live")
    assert "new york live"[found.start : found.end] == found.answer


@pytest.mark.parametrize(
    ("version", "is_older"), [("0.36.2", True), ("1.1.4", True), ("1.1.5", False), ("1.2.0", False)]
)
def test_clients_before_1_1_5_get_the_older_shape_of_zero_shot(
    server: LiveServer, version: str, is_older: bool
) -> None:
    body = {"inputs": "天下的人", "parameters": {"candidate_labels": ["new york", "live"]}}
    found = server.post("/models/nli", body, {"User-Agent": f"unknown/None; hf_hub/{version}; python/3.11"})
    assert isinstance(found, dict if is_older else list)
    assert not is_older or set(found) == {"sequence", "labels", "scores"}


def test_a_url_alone_tells_the_task_by_the_body(server: LiveServer) -> None:
    body = {"inputs": {"source_sentence": "好", "sentences": ["好"]}}
    assert server.post("/", body) == [pytest.approx(1, abs=1e-3)]

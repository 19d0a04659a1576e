"""Presidio's wire."""

from __future__ import annotations

from tests.serving.live import LiveServer

TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"


def test_entities_have_presidios_names(server: LiveServer) -> None:
    found = server.post("/analyze", {"text": TEXT, "language": "zh"})
    assert found
    assert {one["entity_type"] for one in found} <= {"PERSON", "LOCATION", "ORGANIZATION"}
    assert all(0 <= one["start"] < one["end"] <= len(TEXT) for one in found)


def test_types_and_a_least_score_are_honoured(server: LiveServer) -> None:
    found = server.post("/analyze", {"text": [TEXT], "entities": ["PERSON"], "score_threshold": 0.0})
    assert {one["entity_type"] for one in found[0]} <= {"PERSON"}


def test_types_are_listed(server: LiveServer) -> None:
    assert server.get("/supportedentities") == ["LOCATION", "ORGANIZATION", "PERSON"]
    assert server.get("/recognizers") == ["Lexel zh", "Lexel joint"]

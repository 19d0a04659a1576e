"""Presidio's wire: what it answers is read by Presidio's own class of results."""

from __future__ import annotations

from typing import Any

import pytest
from presidio_analyzer import RecognizerResult

from tests.serving.live import Failed, LiveServer

TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"


def results(found: list[dict[str, Any]]) -> list[RecognizerResult]:
    return [RecognizerResult.from_json(one) for one in found]


def test_entities_have_presidios_names(server: LiveServer) -> None:
    found = results(server.post("/analyze", {"text": TEXT, "language": "zh"}))
    assert found
    assert {one.entity_type for one in found} <= {"PERSON", "LOCATION", "ORGANIZATION"}
    assert all(0 <= one.start < one.end <= len(TEXT) for one in found)


def test_types_and_a_least_score_are_honoured(server: LiveServer) -> None:
    found = server.post("/analyze", {"text": [TEXT], "entities": ["PERSON"], "score_threshold": 0.0})
    assert {one["entity_type"] for one in found[0]} == {"PERSON"}
    assert server.post("/analyze", {"text": TEXT, "score_threshold": 1.0}) == []


def test_allowed_texts_are_not_reported(server: LiveServer) -> None:
    all_of = results(server.post("/analyze", {"text": TEXT}))
    names = [TEXT[one.start : one.end] for one in all_of]
    left = results(server.post("/analyze", {"text": TEXT, "allow_list": names[:1]}))
    assert [TEXT[one.start : one.end] for one in left] == names[1:]


@pytest.mark.parametrize(
    ("field", "value"), [("ad_hoc_recognizers", [{"name": "numbers"}]), ("allow_list_match", "regex")]
)
def test_what_would_change_the_result_and_is_not_done_is_refused(server: LiveServer, field: str, value: Any) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/analyze", {"text": TEXT, field: value})
    assert failed.value.status == 422
    assert field in failed.value.body["error"]


def test_types_are_listed(server: LiveServer) -> None:
    assert server.get("/supportedentities") == ["LOCATION", "ORGANIZATION", "PERSON"]
    assert server.get("/recognizers") == ["Lexel zh", "Lexel joint"]

"""Documents written as JSON."""

from __future__ import annotations

import json

import pytest

from lexel.document import Document, Spans, Words
from lexel.serving.records import document_json, words_json


def document(text: str) -> Document:
    ends = list(range(1, len(text) + 1))
    starts, scores = [end - 1 for end in ends], [0.1234567] * len(text)
    words = Words(text, starts, ends, pos_ids=[0] * len(text), pos_labels=('N"',), scores=scores, pos_scores=scores)
    return Document(text, words, Spans(text, [0], [1], label_ids=[0], labels=["PER"], scores=[1.0]))


@pytest.mark.parametrize("text", ["北京", 'a"b\\c', "\n\t\x00", "a\ud83db", "😀好", "%s %d"])
def test_every_character_comes_back(text: str) -> None:
    found = json.loads(document_json(document(text)))
    assert found["text"] == text
    assert [word["text"] for word in found["words"]] == list(text)
    assert {word["pos"] for word in found["words"]} == {'N"'}
    assert found["entities"] == [{"start": 0, "end": 1, "text": text[0], "label": "PER", "score": 1.0}]


def test_scores_are_rounded() -> None:
    assert json.loads(document_json(document("好")))["words"][0]["score"] == 0.123457


@pytest.mark.parametrize(("unit", "end"), [("char", 1), ("utf16", 2), ("byte", 4)])
def test_offsets_are_converted(unit: str, end: int) -> None:
    assert json.loads(document_json(document("😀好"), unit=unit))["words"][0]["end"] == end


def test_layers_and_columns_that_are_absent_are_left_out() -> None:
    bare = Document("好", Words("好", [0], [1]))
    found = json.loads(document_json(bare))
    assert found == {"text": "好", "words": [{"start": 0, "end": 1, "text": "好"}], "offset_unit": "char"}


def test_words_alone_have_no_tags() -> None:
    (word,) = json.loads(words_json(document("好")))["words"]
    assert word.keys() == {"start", "end", "text", "score"}

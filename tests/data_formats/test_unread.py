"""Annotation under other tools' keys is named in a warning."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from lexel.data import read_conllu, read_jsonl


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"label": [[0, 1, "PER"]]}, "'label' (as by doccano or CLUENER)"),
        ({"label": {"name": {"我": [[0, 0]]}}}, "'label' (as by doccano or CLUENER)"),
        ({"labels": [[0, 1, "PER"]]}, "'labels' (as by doccano)"),
        ({"spans": [{"start": 0, "end": 1, "label": "PER"}]}, "'spans' (as by Prodigy)"),
    ],
)
def test_annotation_of_another_tool_is_named_once(
    record: dict[str, Any], found: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = (json.dumps({"text": "我在", **record}) + "\n") * 3
    with caplog.at_level(logging.WARNING, "lexel"):
        assert len(list(read_jsonl(io.StringIO(lines)))) == 3
    assert caplog.messages == [
        f"<stream>: annotation under {found} is not read; expected entities as 'entities': [[start, end, label], ...], "
        "words as 'words': [[start, end], ...]"
    ]


def test_a_class_and_other_keys_are_no_annotation(caplog: pytest.LogCaptureFixture) -> None:
    record = {"text": "我在", "label": "positive", "labels": [], "source": ["a"]}
    assert len(list(read_jsonl(io.StringIO(json.dumps(record))))) == 1
    assert not caplog.messages


def test_entity_tags_under_another_key_of_misc_are_named(caplog: pytest.LogCaptureFixture) -> None:
    row = "\t".join(["1", "我", *["_"] * 7, "NER=B-PER|SpaceAfter=No|Gloss=I"]) + "\n"
    with caplog.at_level(logging.WARNING, "lexel"):
        (document,) = read_conllu(io.StringIO(row))
    assert "entities" not in document.layers
    assert caplog.messages == [
        "<stream>: entity tags under 'NER' in MISC are not read; expected 'Entity'; name the key with --entity-key NER"
    ]
    (document,) = read_conllu(io.StringIO(row), entity_key="NER")
    assert [span.label for span in document.entities] == ["PER"]

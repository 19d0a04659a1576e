"""A JSON schema of a model's results, for programs that read them (https://json-schema.org, draft 2020-12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lexel.checkpoint.heads import Head
from lexel.errors import LabelError
from lexel.names import TAGGING
from lexel.trust.contract import labels_of_head

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_OFFSET = {"type": "integer", "minimum": 0}
_SCORE = {"type": "number", "minimum": 0, "maximum": 1}
_SCORES = {"type": "array", "items": _SCORE}


def schema_of(heads: Sequence[Head]) -> dict[str, Any]:
    """The schema of a JSON line that ``lexel tag`` or ``lexel classify`` writes with these heads.

    Raises:
        LabelError: If there is no head for tags or classes.
    """
    labels: dict[str, Sequence[str]] = {head.task: labels_of_head(head) for head in heads}
    if "classify" in labels:
        return _classes(labels["classify"])
    tags = labels.get("pos") or labels.get("words+pos") or labels.get("labels")
    if not labels.keys() & {*TAGGING, "spans"}:
        raise LabelError("schema: the model has no head for tags or classes; expected one")
    nested = labels.get("spans")
    return _tags(tags, labels.get("entities", nested), nested)


def _tags(tags: Sequence[str] | None, entities: Sequence[str] | None, nested: Sequence[str] | None) -> dict[str, Any]:
    tag: dict[str, Any] = {"type": "string"} if tags is None else {"enum": list(tags)}
    scores = {"words": _SCORES, "pos": _SCORES, "entities": _SCORES, "nested": _SCORES}
    return {
        "$schema": SCHEMA,
        "type": "object",
        "required": ["text", "offset_unit"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "text": {"type": "string"},
            "words": _or_null({"type": "array", "items": {"type": "array", "prefixItems": [_OFFSET, _OFFSET]}}),
            "pos": _or_null({"type": "array", "items": tag}),
            "entities": _or_null({"type": "array", "items": _span(entities)}),
            "nested": _or_null({"type": "array", "items": _span(nested)}),
            "sentences": _or_null({"type": "array"}),
            "scores": {"type": "object", "properties": scores, "additionalProperties": False},
            "offset_unit": {"enum": ["char", "utf16", "byte"]},
        },
        "additionalProperties": False,
    }


def _span(labels: Sequence[str] | None) -> dict[str, Any]:
    label: dict[str, Any] = {"type": "string"} if labels is None else {"enum": list(labels)}
    return {"type": "array", "prefixItems": [_OFFSET, _OFFSET, label], "items": False, "minItems": 3}


def _classes(labels: Sequence[str]) -> dict[str, Any]:
    label = {"enum": list(labels)}
    return {
        "$schema": SCHEMA,
        "type": "object",
        "required": ["text", "labels"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "text": {"type": "string"},
            "labels": {"type": "array", "items": label},
            "scores": {"type": "object", "propertyNames": label, "additionalProperties": {"type": "number"}},
        },
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "null"}]}

"""doccano's JSON lines, in the three layouts of its versions.

{"id": 1, "text": "他在北京", "label": [[2, 4, "LOC"]]}
{"id": 1, "text": "他在北京", "labels": [[2, 4, "LOC"]]}
{"id": 1, "text": "他在北京", "entities": [{"id": 7, "label": "LOC", "start_offset": 2, "end_offset": 4}]}

Offsets count UTF-16 units, since doccano marks entities in the browser (https://github.com/doccano/doccano/issues/2290).
"""

from __future__ import annotations

from typing import Any

from lexel.data.files import TextOutput
from lexel.data.omissions import Losses
from lexel.data.shapes.shape import (
    UTF16_FIRST,
    Context,
    Shape,
    Values,
    document_of_levels,
    id_of,
    listed,
    named,
    spans_of,
    text_of,
    utf16_rows,
)
from lexel.document import Document

_TEXT = ("text", "data")


def _matches(values: Values) -> bool:
    if not any(isinstance(values.get(key), str) for key in _TEXT):
        return False
    entities = values.get("entities")
    if isinstance(entities, list) and entities:
        return all(isinstance(one, dict) and "start_offset" in one for one in entities)
    spans = values.get("label", values.get("labels"))
    return isinstance(spans, list) and bool(spans) and all(isinstance(one, list) and len(one) == 3 for one in spans)


def _read(values: Values, context: Context) -> Document:
    text = text_of(values, *_TEXT)
    key = next((key for key in ("label", "labels", "entities") if key in values), "label")
    found: list[tuple[Any, Any, Any]] = []
    for i, one in enumerate(listed(values, key)):
        if isinstance(one, dict):
            found.append((one.get("start_offset"), one.get("end_offset"), one.get("label")))
        elif isinstance(one, list) and len(one) == 3:
            found.append((one[0], one[1], one[2]))
        else:
            raise ValueError(f"{key}[{i}] is {one!r:.60}; expected [start, end, label]")
    context.losses.add("relations", len(listed(values, "relations")), format="documents")
    return document_of_levels(text, spans_of(text, found, key=key, units=UTF16_FIRST), id=id_of(values))


def _write(document: Document, output: TextOutput, losses: Losses) -> dict[str, Any]:
    spans = [[start, end, span.label] for start, end, span in utf16_rows(document)]
    return named({"text": document.text, "label": spans}, document)


DOCCANO = Shape("doccano", "doccano", frozenset(("id", "entities", "nested")), _matches, _read, _write)

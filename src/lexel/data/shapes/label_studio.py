"""Label Studio's JSON: tasks with annotations, and the short form (JSON-MIN).

    [{"id": 1, "data": {"text": "他在北京"}, "annotations": [{"result": [
        {"type": "labels", "value": {"start": 2, "end": 4, "text": "北京", "labels": ["LOC"]}}]}]}]
    [{"id": 1, "text": "他在北京", "label": [{"start": 2, "end": 4, "text": "北京", "labels": ["LOC"]}]}]

If a task has several annotations, the first that was not cancelled is read; the others are counted. Offsets count
UTF-16 units, as in browsers (https://github.com/HumanSignal/label-studio/issues/1347). If a result gives its words,
the words decide.
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
    spans_of,
    text_of,
    utf16_rows,
)
from lexel.document import Document

_KINDS = ("annotations", "completions")


def _matches(values: Values) -> bool:
    data, label = values.get("data"), values.get("label")
    if isinstance(data, dict) and any(isinstance(values.get(kind), list) for kind in _KINDS):
        return True
    is_list = isinstance(label, list) and bool(label)
    return is_list and all(isinstance(one, dict) and "labels" in one for one in label or ())


def _read(values: Values, context: Context) -> Document:
    data = values.get("data")
    if not isinstance(data, dict):
        return _document(text_of(values, "text"), listed(values, "label"), id_of(values))
    text = next(
        (value for key, value in sorted(data.items(), key=lambda item: item[0] != "text") if isinstance(value, str)),
        None,
    )
    if text is None:
        raise ValueError("'data' has no text; expected a string under 'text'")
    kind = next((kind for kind in _KINDS if kind in values), _KINDS[0])
    good = [one for one in listed(values, kind) if isinstance(one, dict) and not one.get("was_cancelled")]
    context.losses.add("further annotations of a task", max(0, len(good) - 1), format="documents")
    results = listed(good[0], "result") if good else []
    spans = [one.get("value", {}) for one in results if one.get("type", "labels") in ("labels", "hypertextlabels")]
    context.losses.add("results that are no spans", len(results) - len(spans), format="documents")
    if not good:
        return Document(text, id=id_of(values))
    return _document(text, spans, id_of(values))


def _document(text: str, values: list[Any], id: str | None) -> Document:
    found, said = [], []
    for i, value in enumerate(values):
        labels = value.get("labels") or value.get("hypertextlabels") if isinstance(value, dict) else None
        if not labels:
            raise ValueError(f"label[{i}] is {value!r:.60}; expected start, end and labels")
        for label in labels:
            found.append((value.get("start"), value.get("end"), label))
            said.append(value.get("text"))
    return document_of_levels(text, spans_of(text, found, said=said, key="label", units=UTF16_FIRST), id=id)


def _write(document: Document, output: TextOutput, losses: Losses) -> dict[str, Any]:
    results = [
        {
            "type": "labels",
            "from_name": "label",
            "to_name": "text",
            "value": {"start": start, "end": end, "text": span.text, "labels": [span.label]},
        }
        for start, end, span in utf16_rows(document)
    ]
    task = {"data": {"text": document.text}, "annotations": [{"result": results}]}
    return task if document.id is None else {"id": document.id, **task}


LABEL_STUDIO = Shape(
    "label-studio", "Label Studio", frozenset(("id", "entities", "nested")), _matches, _read, _write, is_array=True
)

"""CLUENER 2020: each label with its entities; end offsets are inclusive.

{"text": "叶老桂在浙商银行", "label": {"name": {"叶老桂": [[0, 2]]}, "company": {"浙商银行": [[4, 7]]}}}
"""

from __future__ import annotations

from typing import Any

from lexel.data.files import TextOutput
from lexel.data.omissions import Losses
from lexel.data.shapes.shape import Context, Shape, Values, document_of_levels, id_of, named, spans_of, text_of
from lexel.document import Document


def _matches(values: Values) -> bool:
    label = values.get("label")
    is_object = isinstance(values.get("text"), str) and isinstance(label, dict)
    return is_object and all(isinstance(entities, dict) for entities in (label or {}).values())


def _read(values: Values, context: Context) -> Document:
    text, found, said = text_of(values, "text"), [], []
    for label, entities in values["label"].items():
        for word, places in entities.items():
            for place in places:
                if not (isinstance(place, list) and len(place) == 2 and all(type(at) is int for at in place)):
                    raise ValueError(f"label {label!r} has {place!r:.40}; expected [first, last]")
                found.append((place[0], place[1] + 1, label))
                said.append(word)
    return document_of_levels(text, spans_of(text, found, said=said, key="label"), id=id_of(values))


def _write(document: Document, output: TextOutput, losses: Losses) -> dict[str, Any]:
    label: dict[str, dict[str, list[list[int]]]] = {}
    for span in document.all_entities:
        label.setdefault(span.label, {}).setdefault(span.text, []).append([span.start, span.end - 1])
    return named({"text": document.text, "label": label}, document)


CLUENER = Shape("cluener", "CLUENER", frozenset(("id", "entities", "nested")), _matches, _read, _write)

"""The record that steps pass on: a text with its name, its annotation, and the other columns of its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lexel.data.jsonl import document_of_record, record_of_document
from lexel.document import Document

ANNOTATION = ("words", "pos", "upos", "entities", "nested", "scores", "offset_unit")
"""Keys of a JSON record that belong to its document."""

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Record:
    """One text on its way through the steps.

    Attributes:
        text: The text.
        id: Its name in the input, if it has one.
        document: Its words and entities, if it has any; ``document.text`` is ``text``.
        fields: The other columns of the input, and what steps found.
        place: Where it stands in the input, from 0: the line in its file.
    """

    text: str
    id: str | None = None
    document: Document | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    place: int = 0

    def with_text(self, text: str) -> Record:
        """The same record with another text; words and entities go, since their offsets mean nothing there."""
        return self if text == self.text else replace(self, text=text, document=None)

    def with_document(self, document: Document) -> Record:
        """The same record with the text of a document, and its annotation if it has any."""
        return replace(self, text=document.text, document=document if document.layers else None)

    def with_fields(self, **found: Any) -> Record:
        """The same record with something that a step found."""
        return replace(self, fields={**self.fields, **found})


def record_of_json(values: Any, *, text_column: str, id_column: str, keep: frozenset[str] | None, place: int) -> Record:
    """A record from one JSON object.

    Args:
        values: The object.
        text_column: The key of the text.
        id_column: The key of the name.
        keep: The other keys that are kept; ``None`` keeps all.
        place: Its line in the file, from 0.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if not isinstance(values, dict):
        raise ValueError(f"found a JSON {type(values).__name__}; expected an object with {text_column!r}")
    text, name = values.get(text_column), values.get(id_column)
    if not isinstance(text, str):
        raise ValueError(_no_text(values, text_column))
    document = None
    if any(values.get(layer) is not None for layer in ("words", "entities", "nested")):
        document = document_of_record({**values, "text": text, "id": None})
    taken = {text_column, id_column, *(ANNOTATION if document is not None or "offset_unit" in values else ())}
    fields = {key: value for key, value in values.items() if key not in taken and (keep is None or key in keep)}
    return Record(text, None if name is None else str(name), document, fields, place)


def _no_text(values: Mapping[str, Any], text_column: str) -> str:
    if text_column in values:
        return f"{text_column!r} is no string; expected the text of the record"
    strings = [key for key, value in values.items() if isinstance(value, str)]
    advice = f"name the column of the text with --text-column ({', '.join(strings[:5])})" if strings else "add a text"
    return f"no {text_column!r}; expected the text of the record; {advice}"


def json_of_record(record: Record) -> bytes:
    """A record as one line of JSON; a lone surrogate is written as its escape.

    Raises:
        ValueError: If a field holds what JSON cannot.
    """
    values: dict[str, Any] = {"id": record.id, "text": record.text}
    if record.document is not None:
        values = record_of_document(record.document) | values
    line = _dump({**values, **record.fields}) + "\n"
    try:
        return line.encode()
    except UnicodeEncodeError:
        return (json.dumps({**values, **record.fields}) + "\n").encode()

"""Results as JSON, with offsets in the client's unit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import PydanticSerializationError, to_json

from lexel.data.offsets import unit_positions
from lexel.document import Document, Span, Word
from lexel.serving.failures import KINDS, message_of, status_of
from lexel.tasks.answer import Answers

DECIMALS = 6

_FORMATS = {
    "start": "%d",
    "end": "%d",
    "text": '"%s"',
    "pos": '"%s"',
    "label": '"%s"',
    "score": f"%.{DECIMALS}f",
    "pos_score": f"%.{DECIMALS}f",
}
_ESCAPED = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')
"""Characters that must be escaped in a JSON string."""


def document_json(document: Document, *, unit: str = "char") -> bytes:
    """A document as JSON: ``text``, the layers that were read (``words``, ``entities``, ``nested``), ``offset_unit``.

    Args:
        document: The document.
        unit: Unit of the offsets: ``char``, ``utf16`` or ``byte``.
    """
    layers = {}
    if "words" in document.layers:
        words = document.words
        layers["words"] = _Rows(Word._fields, list(words), words.pos_labels)
    if "entities" in document.layers:
        entities = document.entities
        layers["entities"] = _Rows(Span._fields, list(entities), entities.labels)
    if "nested" in document.layers:
        nested = document.nested
        layers["nested"] = _Rows(Span._fields, list(nested), nested.labels)
    return _document_json(document.text, layers, unit)


def words_json(document: Document, *, unit: str = "char") -> bytes:
    """The words of a document alone, without tags."""
    rows = [(word.start, word.end, word.text, word.score) for word in document.words]
    return _document_json(document.text, {"words": _Rows(("start", "end", "text", "score"), rows, ())}, unit)


class _Rows(NamedTuple):
    """The rows of a layer: values by name, the first two of which are offsets, and the possible labels."""

    names: Sequence[str]
    values: Sequence[tuple[Any, ...]]
    labels: tuple[str, ...]


def _document_json(text: str, layers: Mapping[str, _Rows], unit: str) -> bytes:
    """Fill in one template row by row: three times as fast as dictionaries and a JSON library."""
    at = unit_positions(text, unit)
    is_plain = _ESCAPED.search(text) is None
    fields = [f'"text":"{text if is_plain else _escaped(text)}"']
    for name, rows in layers.items():
        written = _rows_json(rows, at, is_plain=is_plain and _are_plain(rows.labels))
        fields.append(f'"{name}":[{written}]')
    return f'{{{",".join(fields)},"offset_unit":"{unit}"}}'.encode()


def _rows_json(rows: _Rows, at: NDArray[np.signedinteger[Any]] | None, *, is_plain: bool) -> str:
    """Rows as JSON objects; a field that is missing in the first row is left out of all."""
    names, values, _ = rows
    if not values:
        return ""
    if None in values[0]:
        kept = [i for i, value in enumerate(values[0]) if value is not None]
        names, values = [names[i] for i in kept], [tuple(row[i] for i in kept) for row in values]
    if at is not None:
        values = [(at[row[0]], at[row[1]], *row[2:]) for row in values]
    if not is_plain:
        values = [tuple(_escaped(value) if isinstance(value, str) else value for value in row) for row in values]
    template = "{" + ",".join([f'"{name}":{_FORMATS[name]}' for name in names]) + "},"
    return (template * len(values))[:-1] % tuple(chain.from_iterable(values))


@lru_cache(maxsize=64)
def _are_plain(labels: tuple[str, ...]) -> bool:
    return not any(map(_ESCAPED.search, labels))


def _escaped(text: str) -> str:
    """A text escaped for a JSON string."""
    return json.dumps(text)[1:-1]


def answers_record(answers: Answers, *, unit: str = "char") -> dict[str, Any]:
    """Answers to a question, best first."""
    at = unit_positions(answers.context, unit)
    found = [_present({"text": a.text, "start": a.start, "end": a.end, "score": a.score}, at) for a in answers.answers]
    best = None if answers.best is None else answers.best.text
    return {
        "question": answers.question,
        "best": best,
        "answers": found,
        "null_score": _round(answers.null_score),
        "offset_unit": unit,
    }


def error_record(error: Exception) -> dict[str, Any]:
    """An item that could not be read."""
    return {"error": message_of(error), "error_type": KINDS.get(status_of(error), "internal")}


def answer_json(model: str, results: Sequence[bytes]) -> bytes:
    """The body of every native answer, from its results as JSON."""
    return b'{"model":%b,"results":[%b]}' % (json_bytes(model), b",".join(results))


def json_bytes(value: Any) -> bytes:
    """JSON in UTF-8; lone surrogates are written as ``\\udXXX``."""
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError):
        return json.dumps(value, allow_nan=False).encode("ascii")


def _present(row: Mapping[str, Any], at: NDArray[np.signedinteger[Any]] | None) -> dict[str, Any]:
    """The values that are not ``None``, with offsets converted and scores rounded."""
    found = {name: value for name, value in row.items() if value is not None}
    if at is not None:
        found["start"], found["end"] = int(at[found["start"]]), int(at[found["end"]])
    for name in ("score", "pos_score"):
        if name in found:
            found[name] = _round(found[name])
    return found


def _round(score: Any) -> float:
    return round(float(score), DECIMALS)

"""Results as JSON, with offsets in the unit that the client counts in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import PydanticSerializationError, to_json

from lexel.data.offsets import unit_positions
from lexel.document import Document
from lexel.serving.failures import KINDS, message_of, status_of
from lexel.tasks.answer import Answers

DECIMALS = 6


def document_record(document: Document, *, unit: str = "char") -> dict[str, Any]:
    """A document as JSON: ``text``, ``words``, ``entities``, ``offset_unit``; a layer that was not read is left out.

    Args:
        document: What was read.
        unit: What offsets count: ``char``, ``utf16`` or ``byte``.
    """
    at = unit_positions(document.text, unit)
    record: dict[str, Any] = {"text": document.text}
    if "words" in document.layers:
        record["words"] = [_present(word._asdict(), at) for word in document.words]
    if "entities" in document.layers:
        record["entities"] = [_present(span._asdict(), at) for span in document.entities]
    return record | {"offset_unit": unit}


def words_record(document: Document, *, unit: str = "char") -> dict[str, Any]:
    """The words of a document alone."""
    at = unit_positions(document.text, unit)
    words = [_present({"start": w.start, "end": w.end, "text": w.text, "score": w.score}, at) for w in document.words]
    return {"text": document.text, "words": words, "offset_unit": unit}


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


def json_bytes(value: Any) -> bytes:
    """JSON in UTF-8; lone surrogates are written as ``\\udXXX``."""
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError):
        return json.dumps(value, allow_nan=False).encode("ascii")


def _present(row: Mapping[str, Any], at: NDArray[np.signedinteger[Any]] | None) -> dict[str, Any]:
    """The values that are there, offsets converted and scores rounded."""
    found = {name: value for name, value in row.items() if value is not None}
    if at is not None:
        found["start"], found["end"] = int(at[found["start"]]), int(at[found["end"]])
    for name in ("score", "pos_score"):
        if name in found:
            found[name] = _round(found[name])
    return found


def _round(score: Any) -> float:
    return round(float(score), DECIMALS)

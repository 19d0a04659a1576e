"""Prodigy's JSON lines: ``spans`` over a text, and its ``tokens``; rejected and ignored examples are left out.

{"text": "他在北京", "tokens": [{"text": "他", "start": 0, "end": 1, "id": 0}, ...],
 "spans": [{"start": 2, "end": 4, "label": "LOC"}], "answer": "accept"}
"""

from __future__ import annotations

from typing import Any

from lexel.data.files import TextOutput
from lexel.data.omissions import Losses
from lexel.data.shapes.shape import Context, Shape, Values, document_of_levels, id_of, listed, named, spans_of, text_of
from lexel.document import Document, Words


def _matches(values: Values) -> bool:
    spans = values.get("spans")
    is_list = isinstance(values.get("text"), str) and isinstance(spans, list)
    return is_list and ("answer" in values or "_input_hash" in values or bool(spans))


def _read(values: Values, context: Context) -> Document | None:
    answer = values.get("answer", "accept")
    if answer != "accept":
        context.losses.add(f"examples with answer {answer!r}", 1, format="documents")
        return None
    text = text_of(values, "text")
    spans = listed(values, "spans")
    for i, span in enumerate(spans):
        if not isinstance(span, dict):
            raise ValueError(f"spans[{i}] is {span!r:.60}; expected start, end and label")
    found = [(span.get("start"), span.get("end"), span.get("label")) for span in spans]
    words = None
    if tokens := listed(values, "tokens"):
        words = Words.of(text, [(int(token["start"]), int(token["end"])) for token in tokens])
    return document_of_levels(text, spans_of(text, found, key="spans"), words=words, id=id_of(values))


def _write(document: Document, output: TextOutput, losses: Losses) -> dict[str, Any]:
    record: dict[str, Any] = {"text": document.text}
    words = list(document.words)
    if "words" in document.layers:
        record["tokens"] = [
            {"text": word.text, "start": word.start, "end": word.end, "id": i} for i, word in enumerate(words)
        ]
    record["spans"] = [{"start": span.start, "end": span.end, "label": span.label} for span in document.all_entities]
    return named({**record, "answer": "accept"}, document)


PRODIGY = Shape("prodigy", "Prodigy", frozenset(("id", "words", "entities", "nested")), _matches, _read, _write)

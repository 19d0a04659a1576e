"""Reads questions about contexts, with the answer spans: SQuAD's JSON, and one question per line.

SQuAD 1.1 and 2.0 (https://rajpurkar.github.io/SQuAD-explorer/), and data sets in their layout (CMRC, DRCD, MLQA,
...), are one JSON object:

    {"data": [{"paragraphs": [{"context": "他在北京。", "qas": [
        {"id": "q1", "question": "他在哪？", "answers": [{"text": "北京", "answer_start": 2}]}]}]}]}

With one question per line, each is a JSON object. Its answers may be ranges of the context, or SQuAD's objects:

    {"id": "q1", "question": "他在哪？", "context": "他在北京。", "answers": [[2, 4]], "offset_unit": "char"}

CMRC 2018 as first published is also read. Its answers have no offsets, so the first occurrence of each is used:

    [{"context_text": "他在北京。", "qas": [{"query_id": "q1", "query_text": "他在哪？", "answers": ["北京"]}]}]

A question without answers is not answered by its context. Every answer is compared with its context; 2 % of those in
CMRC's development set are not at their offsets, which ``Faults("repair")`` corrects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source
from lexel.data.offsets import OFFSET_UNITS, chars_of, pairs_of
from lexel.errors import DataError

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a context.

    Attributes:
        id: Its id in the data, if it has one.
        question: The question.
        context: The text that may answer it.
        answers: Start and end in the context of each correct answer; empty if the context does not answer.
        where: Its place, for messages: ``path:line``, or the path and its place in SQuAD's JSON.
    """

    id: str | None
    question: str
    context: str
    answers: Spans
    where: str

    @property
    def answer_texts(self) -> list[str]:
        """The answers, as slices of the context."""
        return [self.context[start:end] for start, end in self.answers]


def read_questions(source: Source, *, encoding: str = "utf-8", faults: Faults | None = None) -> Iterator[Question]:
    """Reads each question, in order.

    A file of lines is read lazily; SQuAD's JSON is one object, so it is read at once.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream; the first line tells the two formats apart.
        encoding: The encoding of the input.
        faults: How to handle a question that cannot be read; an error by default. With ``repair``, an answer that is
            not at its offset is taken from the nearest place where it occurs.

    Raises:
        DataError: With ``path:line``, or the place in SQuAD's JSON, of an invalid question, or of an answer that is
            not at its offset.
    """
    lines = LineReader(source, encoding=encoding)
    faults = Faults() if faults is None else faults
    given = iter(lines)
    first = next((line for line in given if line.strip()), "")
    record = _parsed(first) if first else None
    if first and (not isinstance(record, dict) or "data" in record):
        number = lines.number
        yield from _from_whole("\n".join((first, *given)), lines, faults, first=number)
        return
    for line in chain([first], given):
        if line.strip() and (found := faults.attempt(partial(_from_line, line, lines, faults))) is not None:
            yield found


def _parsed(line: str) -> Any:
    """The value of a line of JSON; ``None`` if the line alone is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


# One question per line -----------------------------------------------------------------------------------------------


def _from_line(line: str, lines: LineReader, faults: Faults) -> Question:
    record = _parsed(line)
    if not isinstance(record, dict):
        raise lines.error("not a JSON object; expected one question per line: {'question': ..., 'context': ...}")
    try:
        return _question(record, _string(record, "context"), faults, where=f"{lines.name}:{lines.number}")
    except ValueError as error:
        raise lines.error(str(error)) from error


def _question(record: Mapping[str, Any], context: str, faults: Faults, *, where: str) -> Question:
    """A question from its object.

    Raises:
        ValueError: If a part is wrong; the message names it.
    """
    id = record.get("id")
    if not (id is None or type(id) in (str, int)):
        raise ValueError(f"id is {id!r:.40}; expected a string")
    answers, n_repaired = _answers(record, context, repair=faults.repairs)
    if record.get("is_impossible") is True and answers:
        raise ValueError(f"is_impossible is true, but there are {len(answers)} answers; expected none")
    question = Question(None if id is None else str(id), _string(record, "question"), context, answers, where)
    faults.n_repaired += bool(n_repaired)
    return question


def _answers(record: Mapping[str, Any], context: str, *, repair: bool) -> tuple[Spans, int]:
    """The ranges of the answers, and how many were repaired."""
    given = record.get("answers")
    if isinstance(given, dict):  # the columns of Hugging Face's data sets
        given = _rows_of(given)
    if given is None:
        return (), 0
    if not isinstance(given, list):
        raise ValueError(f"answers is {given!r:.40}; expected a list, [] where the context does not answer")
    if all(isinstance(answer, list) for answer in given):
        return _ranges(given, context, unit=record.get("offset_unit", "char")), 0
    found: list[tuple[int, int]] = []
    n_repaired = 0
    for i, answer in enumerate(given):
        try:
            found.append(_found(answer, context, f"answers[{i}]"))
        except _MisplacedError as misplaced:
            if not repair:
                raise
            n_repaired += 1
            found += misplaced.nearest(context)
    if given and not found:
        raise ValueError(f"none of {len(given)} answers occurs in the context; expected text of it")
    return tuple(found), n_repaired


class _MisplacedError(ValueError):
    """An answer that is not at its offset."""

    def __init__(self, text: str, start: int, problem: str) -> None:
        super().__init__(problem)
        self._text, self._start = text, start

    def nearest(self, context: str) -> list[tuple[int, int]]:
        """Its nearest occurrence in the context; ``None`` if there is none."""
        starts = [match.start() for match in re.finditer(f"(?={re.escape(self._text)})", context)]
        if not starts:
            return []
        start = min(starts, key=lambda start: abs(start - self._start))
        return [(start, start + len(self._text))]


def _rows_of(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    texts, starts = columns.get("text"), columns.get("answer_start")
    if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
        raise ValueError(f"answers is {columns!r:.60}; expected lists 'text' and 'answer_start' of equal length")
    return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]


def _ranges(given: list[Any], context: str, *, unit: Any) -> Spans:
    if unit not in OFFSET_UNITS:
        raise ValueError(f"offset_unit is {unit!r}; expected one of {', '.join(OFFSET_UNITS)}")
    try:
        spans = chars_of(pairs_of(given), context, unit=unit).tolist()
    except ValueError as error:
        raise ValueError(f"answers{error}") from error
    return tuple((start, end) for start, end in spans)


def _found(answer: Any, context: str, name: str) -> tuple[int, int]:
    """The range of an answer in SQuAD's form, which must be at its offset."""
    if not isinstance(answer, dict):
        raise ValueError(f"{name} is {answer!r:.40}; expected {{'text': ..., 'answer_start': ...}}")
    text, start = _string(answer, "text", of=f"{name}."), answer.get("answer_start")
    if type(start) is not int:
        raise ValueError(f"{name}.answer_start is {start!r:.40}; expected a whole number")
    if not text:
        raise ValueError(f"{name} is empty; expected a part of the context, or no answer at all")
    there = context[start : start + len(text)] if start >= 0 else ""
    if there != text:
        problem = f"{name} is {text!r} at {start}, but the context has {there!r} there; {_hint(text, context)}"
        raise _MisplacedError(text, start, problem)
    return start, start + len(text)


def _hint(text: str, context: str) -> str:
    place = context.find(text)
    if place < 0:
        return "its text does not occur in the context. Correct the text"
    return (
        f"its text occurs first at {place}. Correct the offset, which counts characters of the unchanged context, or "
        "repair it (--on-error repair)"
    )


def _string(record: Mapping[str, Any], key: str, *, of: str = "") -> str:
    value = record.get(key)
    if not isinstance(value, str):
        found = f"{of}{key} is {value!r:.40}" if key in record else f"no {of}{key}"
        raise ValueError(f"{found}; expected a string")
    return value


# Files that are one JSON value ---------------------------------------------------------------------------------------


def _from_whole(text: str, lines: LineReader, faults: Faults, *, first: int) -> Iterator[Question]:
    """The questions of SQuAD's object, or of CMRC's first list, which begins on line ``first``."""
    name = lines.name
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg} at column {error.colno}); expected one question per line, or SQuAD's object"
        raise lines.error(problem, line=first + error.lineno - 1) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not JSON ({error}); expected one question per line, or SQuAD's object") from error
    if isinstance(whole, list) and whole:  # CMRC's first layout
        whole = {"data": [{"paragraphs": whole}]}
    if not isinstance(whole, dict):
        raise DataError(f"{name}: a JSON {type(whole).__name__}; expected one question per line, or SQuAD's object")
    for article, in_data in _items(whole, "data", f"{name}: "):
        for paragraph, in_article in _items(article, "paragraphs", f"{in_data}."):
            if (context := faults.attempt(partial(_context, paragraph, where=in_article))) is None:
                continue
            for record, where in _items(paragraph, "qas", f"{in_article}."):
                asked = _of_cmrc(record, context) if "context_text" in paragraph else record
                if (question := faults.attempt(partial(_placed, asked, context, faults, where=where))) is not None:
                    yield question


def _context(paragraph: Mapping[str, Any], *, where: str) -> str:
    try:
        return _string(paragraph, "context_text" if "context_text" in paragraph else "context")
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _placed(record: Mapping[str, Any], context: str, faults: Faults, *, where: str) -> Question:
    try:
        return _question(record, context, faults, where=where)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _of_cmrc(record: Mapping[str, Any], context: str) -> dict[str, Any]:
    """A question of CMRC's first layout with SQuAD's keys, and each answer at its first occurrence."""
    names = {"query_id": "id", "query_text": "question"}
    renamed = {names.get(key, key): value for key, value in record.items()}
    if isinstance(answers := renamed.get("answers"), list):
        renamed["answers"] = [
            {"text": answer, "answer_start": context.find(answer)} if isinstance(answer, str) else answer
            for answer in answers
        ]
    return renamed


def _items(holder: Mapping[str, Any], key: str, before: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a list, each with its place."""
    items = holder.get(key)
    if not isinstance(items, list):
        raise DataError(f"{before}{key} is {items!r:.40}; expected a list of objects")
    for i, item in enumerate(items):
        where = f"{before}{key}[{i}]"
        if not isinstance(item, dict):
            raise DataError(f"{where}: is {item!r:.40}; expected an object")
        yield item, where

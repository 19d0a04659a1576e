"""Questions from files through an answerer into the output: question n in is record n out."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lexel.cli.answer import AnswerOutputOptions, QuestionOptions, SpanOptions
from lexel.cli.loading import fetch_in_sight
from lexel.cli.messages import is_terminal
from lexel.cli.options import ComputeOptions, HeadOptions, MessageOptions
from lexel.cli.progress import InputFiles, show_progress
from lexel.cli.transfer import check_places
from lexel.data.files import LineReader, Source, name_of, open_output, write_errors
from lexel.data.offsets import unit_positions
from lexel.data.questions import Question, read_questions
from lexel.data.render import write_terminal
from lexel.document import Document, Spans
from lexel.errors import DataError
from lexel.tasks.answer import Answer, Answerer, Answers

_AROUND_CHARS = 120
"""How much of the context is shown on either side of an answer."""


def load_answerer(
    model: HeadOptions,
    spans: SpanOptions,
    *,
    questions: QuestionOptions,
    script: str,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> Answerer:
    """The answerer that the options ask for."""
    fetch_in_sight((model.model,), model, messages)
    options: dict[str, Any] = {"max_answer_pieces": spans.max_answer_pieces}
    return Answerer.load(
        model.model,
        revision=model.revision,
        head=model.head,
        top_k=spans.top_k,
        max_answer_chars=spans.max_answer_chars,
        null_threshold=spans.null_threshold,
        align=spans.align,
        window=spans.window,
        overlap=spans.overlap,
        max_chars=questions.max_chars,
        script=script,
        pieces=model.pieces,
        **compute.loading,
        **{name: value for name, value in options.items() if value is not None},
    )


def plan_answers(
    files: Sequence[str] | None, questions: QuestionOptions, *, output: AnswerOutputOptions
) -> AnsweringJob:
    """Look at the files, so that what is wrong is said before a model is loaded.

    Args:
        files: The files to read; ``-`` or none of them is standard input.
        questions: What is asked, and how files are read.
        output: Where results go.

    Raises:
        DataError: If a file cannot be there, or the question is blank.
    """
    places = tuple(files or ("-",))
    check_places(places, output.out)
    if questions.question is not None and not questions.question.strip():
        raise DataError("--question: is blank; expected a question about the text")
    to_terminal = output.out in (None, "-") and is_terminal(sys.stdout)
    return AnsweringJob(places, questions, output, output.to or ("terminal" if to_terminal else "jsonl"))


@dataclass(frozen=True, slots=True)
class _Found:
    """A record of the output."""

    id: str | None
    answers: Answers

    @property
    def text(self) -> str:
        return self.answers.context


@dataclass(frozen=True, slots=True)
class AnsweringJob:
    """What is asked, and where the answers go.

    Attributes:
        places: The files.
        questions: What is asked, and how files are read.
        output: Where results go.
        format: The format of the results.
    """

    places: tuple[str, ...]
    questions: QuestionOptions
    output: AnswerOutputOptions
    format: str

    def run(self, answerer: Answerer, *, is_quiet: bool) -> None:
        """Read everything, answer it and write it.

        Raises:
            DataError: If a question cannot be read, or an answer not written.
        """
        files = InputFiles(self.places)
        found = _answered(answerer, self._questions(files), one_by_one=self.output.line_buffered)
        to_terminal = self.output.out in (None, "-") and is_terminal(sys.stdout)
        with show_progress(files, is_wanted=not is_quiet and not to_terminal) as watched:
            seen: Any = watched
            self._write(seen(found))

    def _questions(self, files: InputFiles) -> Iterator[Question]:
        for place in self.places:
            with files.open(place) as source:
                for number, question in enumerate(self._read(source, place), 1):
                    limit = self.questions.max_chars
                    if limit is not None and len(question.context) > limit:
                        found = f"{len(question.context):,} characters; expected at most {limit:,} (--max-chars)"
                        raise DataError(f"{question.where}: context {number} has {found}")
                    if not question.question.strip():
                        raise DataError(f"{question.where}: question is blank; expected a question about its context")
                    yield question

    def _read(self, source: Source, place: str) -> Iterator[Question]:
        encoding = self.questions.encoding
        if self.questions.question is None:
            yield from read_questions(source, encoding=encoding)
            return
        context = "\n".join(LineReader(source, encoding=encoding))
        name = name_of(place)
        yield Question(None if place == "-" else name, self.questions.question, context, (), name)

    def _write(self, found: Iterator[_Found]) -> None:
        if self.format == "terminal":
            write_terminal(map(_as_document, found), self.output.out or "-")
            return
        with open_output(self.output.out or "-") as output:
            for one in found:
                output.write(_line(one, self.output.offsets))
                if self.output.line_buffered and sys.stdout is not None:
                    with write_errors("<stdout>"):
                        sys.stdout.flush()


def _answered(answerer: Answerer, questions: Iterable[Question], *, one_by_one: bool) -> Iterator[_Found]:
    """What is found for each question; one by one, each has its answer before the next is read."""
    if one_by_one:
        for question in questions:
            yield _Found(question.id, answerer(question.question, question.context))
        return
    ids: deque[str | None] = deque()

    def asked() -> Iterator[tuple[str, str]]:
        for question in questions:
            ids.append(question.id)
            yield question.question, question.context

    for answers in answerer.stream(asked()):
        yield _Found(ids.popleft(), answers)


def _line(found: _Found, unit: str) -> str:
    """The record of a question, its answers' offsets in a unit, as a line of JSON."""
    answers = found.answers
    positions = unit_positions(answers.context, unit)

    def record_of(answer: Answer) -> dict[str, Any]:
        edges = [answer.start, answer.end] if positions is None else positions[[answer.start, answer.end]].tolist()
        return {"start": edges[0], "end": edges[1], "text": answer.text, "score": round(answer.score, 6)}

    record = {
        "id": found.id,
        "question": answers.question,
        "answer": None if answers.best is None else answers.best.text,
        "answers": [record_of(answer) for answer in answers.answers],
        "null_score": round(answers.null_score, 6),
        "null_margin": round(answers.null_margin, 6) if np.isfinite(answers.null_margin) else None,
        "n_windows": answers.n_windows,
        "offset_unit": unit,
    }
    line = json.dumps(record, ensure_ascii=False)
    if any("\ud800" <= char <= "\udfff" for char in line):
        line = json.dumps(record)  # lone surrogates stand as escapes
    return line + "\n"


def _as_document(found: _Found) -> Document:
    """A question over the part of its context around the answer, with the answers in it marked by their scores."""
    answers = found.answers
    best = answers.best
    if best is None:
        return Document(f"(no answer, {answers.null_score:.2f})", id=answers.question)
    low, high = max(best.start - _AROUND_CHARS, 0), min(best.end + _AROUND_CHARS, len(answers.context))
    before, after = "…" * (low > 0), "…" * (high < len(answers.context))
    text = before + answers.context[low:high] + after
    shown = sorted((one for one in answers.answers if low <= one.start and one.end <= high), key=lambda one: one.start)
    shift = len(before) - low
    spans = Spans.of(text, [(one.start + shift, one.end + shift, f"{one.score:.2f}") for one in shown])
    return Document(text, None, spans, id=answers.question)

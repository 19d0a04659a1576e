"""Answers questions from files: question n of the input is record n of the output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from lexel.cli.jobs.loading import load_reader
from lexel.cli.jobs.records import check_places, is_short_enough
from lexel.cli.jobs.results import Result, Route, choose_format, json_writer, stream_found
from lexel.cli.options.answer import AnswerOutputOptions, QuestionOptions, SpanOptions
from lexel.cli.options.groups import ComputeOptions, HeadOptions, MessageOptions
from lexel.cli.terminal.messages import say_losses
from lexel.cli.terminal.progress import InputFiles
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, name_of
from lexel.data.questions import Question, read_questions
from lexel.data.render import write_terminal
from lexel.document import Document, Spans
from lexel.errors import DataError
from lexel.tasks.answer import Answerer, Answers

_AROUND_CHARS = 120
"""Number of characters of context that are shown on each side of an answer."""


def load_answerer(
    model: HeadOptions,
    spans: SpanOptions,
    *,
    questions: QuestionOptions,
    script: str,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> Answerer:
    """Load the answerer that the options name."""
    options = asdict(spans) | {"max_chars": questions.max_chars, "script": script}
    if spans.max_answer_pieces is None:
        del options["max_answer_pieces"]
    return load_reader(Answerer.load, model, compute=compute, messages=messages, **options)


def plan_answers(
    files: Sequence[str] | None, questions: QuestionOptions, *, output: AnswerOutputOptions
) -> AnsweringJob:
    """Check the files, so that errors are reported before a model is loaded.

    Args:
        files: The files to read; ``-`` or no file means standard input.
        questions: The question, and how files are read.
        output: The output and its format.

    Raises:
        DataError: If a file cannot be read or written, or the question is blank.
    """
    places = tuple(files or ("-",))
    check_places(places, output.out)
    if questions.question is not None and not questions.question.strip():
        raise DataError("--question: is blank; expected a question about the text")
    return AnsweringJob(places, questions, output, choose_format(output.to, output.out))


@dataclass(frozen=True, slots=True)
class AnsweringJob:
    """Questions, and the output for their answers.

    Attributes:
        places: The files.
        questions: The question, and how files are read.
        output: The output.
        format: The format of the results.
    """

    places: tuple[str, ...]
    questions: QuestionOptions
    output: AnswerOutputOptions
    format: str

    def run(self, answerer: Answerer, *, is_quiet: bool) -> None:
        """Read all questions, and write the answers.

        Raises:
            DataError: If a question cannot be read, or an answer cannot be written.
        """
        files, faults = InputFiles(self.places), Faults(self.questions.on_error)
        route = Route(self.places, self.output.out, self.output.line_buffered, by_line=False)
        results = _results(answerer, self._questions(files, faults), route=route)
        with route.in_sight(files, is_quiet=is_quiet) as watched:
            if self.format == "terminal":
                write_terminal(map(_as_document, watched(results)), self.output.out or "-")
            else:
                route.write(watched(results), json_writer(partial(Answers.record, unit=self.output.offsets)))
        say_losses((), faults)

    def _questions(self, files: InputFiles, faults: Faults) -> Iterator[Question]:
        for place in self.places:
            with files.open(place) as source:
                for question in self._read(source, place, faults):
                    limit, where = self.questions.max_chars, question.where
                    if not is_short_enough(len(question.context), faults, where=where, limit=limit):
                        continue
                    if not question.question.strip():
                        faults.take(DataError(f"{where}: question is blank; expected a question about its context"))
                        continue
                    yield question

    def _read(self, source: Source, place: str, faults: Faults) -> Iterator[Question]:
        encoding = self.questions.encoding
        if self.questions.question is None:
            yield from read_questions(source, encoding=encoding, faults=faults)
            return
        context = "\n".join(LineReader(source, encoding=encoding))
        name = name_of(place)
        yield Question(None if place == "-" else name, self.questions.question, context, (), name)


def _results(answerer: Answerer, questions: Iterable[Question], *, route: Route) -> Iterator[Result]:
    def read(asked: Iterable[Question]) -> Iterator[Answers]:
        return answerer.stream(((one.question, one.context) for one in asked), live=route.may_wait)

    for question, answers in stream_found(questions, read, one_by_one=route.is_conversation):
        yield Result(question.id, question.context, answers)


def _as_document(result: Result) -> Document:
    """A question above the part of its context around the answer, with the answers marked by their scores."""
    answers: Answers = result.found
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

"""Options of ``lexel answer``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    Encoding,
    LineBuffered,
    MaxChars,
    Offsets,
    OnError,
    Out,
    format_option,
    option,
)

_INPUT, _ANSWERS = "Input", "Answers"

AnswerFormatName = Literal["jsonl", "terminal"]

AlignName = Literal["words"]


@dataclass(frozen=True, slots=True)
class QuestionOptions:
    """The question, and how texts are read."""

    question: Annotated[
        str | None,
        option(
            "--question",
            panel=_INPUT,
            value="TEXT",
            help="Ask this about each file. Without it, the files hold questions.",
        ),
    ] = None
    encoding: Encoding = "utf-8"
    max_chars: MaxChars = None
    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class SpanOptions:
    """Limits of answers."""

    top_k: Annotated[
        int, option("--top-k", panel=_ANSWERS, value="N", min=1, help="Number of answers to return. Default: 1.")
    ] = 1
    null_threshold: Annotated[
        float | None,
        option(
            "--null-threshold",
            panel=_ANSWERS,
            value="MARGIN",
            help="Return no answer if the null answer wins by more than this. Default: always answer.",
        ),
    ] = None
    max_answer_pieces: Annotated[
        int | None,
        option(
            "--max-answer-pieces",
            panel=_ANSWERS,
            value="N",
            min=1,
            help="Maximum answer length in pieces. Default: 50.",
        ),
    ] = None
    max_answer_chars: Annotated[
        int | None,
        option("--max-answer-chars", panel=_ANSWERS, value="N", min=1, help="Maximum answer length in characters."),
    ] = None
    align: Annotated[
        AlignName | None,
        option("--align", panel=_ANSWERS, value="UNIT", help="words: widen answers to whole words."),
    ] = None
    window: Annotated[
        int | None,
        option(
            "--window",
            panel=_ANSWERS,
            value="N",
            min=1,
            help="Maximum window size in pieces. Default: the model's limit.",
        ),
    ] = None
    overlap: Annotated[
        int | None,
        option(
            "--overlap",
            panel=_ANSWERS,
            value="N",
            min=0,
            help="Pieces that neighbouring windows share. Default: at most 128.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class AnswerOutputOptions:
    """The output of answers, and its format."""

    to: Annotated[AnswerFormatName | None, format_option(AnswerFormatName, otherwise="as described above")] = None
    out: Out = None
    offsets: Offsets = "char"
    line_buffered: LineBuffered = False

"""Options of ``lexel classify``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    Encoding,
    Expect,
    LineBuffered,
    MaxChars,
    OnError,
    Out,
    choices,
    format_option,
    option,
)

_INPUT, _CLASSES = "Input", "Classes"

TextFormatName = Literal["text", "jsonl", "tsv", "csv", "segmented", "conll", "conllu", "parquet"]

ClassFormatName = Literal["jsonl", "tsv", "terminal"]

FunctionName = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How texts and pairs are read."""

    from_: Annotated[
        TextFormatName | None,
        option(
            "--from",
            panel=_INPUT,
            value="FORMAT",
            help=f"{choices(TextFormatName)}. If not given: by the ending, else text, a record a line.",
        ),
    ] = None
    text_field: Annotated[
        str, option("--text-field", panel=_INPUT, value="NAME", help="Key or column of the text; text if not given.")
    ] = "text"
    pair_field: Annotated[
        str,
        option("--pair-field", panel=_INPUT, value="NAME", help="That of a pair's second text; else text_pair."),
    ] = "text_pair"
    label_field: Annotated[
        str, option("--label-field", panel=_INPUT, value="NAME", help="That of the label, to calibrate; else label.")
    ] = "label"
    encoding: Encoding = "utf-8"
    max_chars: MaxChars = None
    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """Which classes there are, and when a text is given one."""

    labels: Annotated[
        str | None,
        option("--labels", panel=_CLASSES, value="A,B,...", help="Zero-shot: classes for an NLI model to choose of."),
    ] = None
    template: Annotated[
        str | None,
        option(
            "--template",
            panel=_CLASSES,
            value="TEXT",
            help="Zero-shot: the hypothesis, {} for the class; else in the classes' language.",
        ),
    ] = None
    multi_label: Annotated[
        bool | None,
        option(
            "--multi-label/--single-label",
            panel=_CLASSES,
            help="Any number of classes a text, or one; else as the model was trained.",
        ),
    ] = None
    top_k: Annotated[
        int | None, option("--top-k", panel=_CLASSES, value="N", min=1, help="Tell the N best; all if not given.")
    ] = None
    function: Annotated[
        FunctionName | None,
        option(
            "--function",
            panel=_CLASSES,
            value="NAME",
            help=f"{choices(FunctionName)}, applied to scores; else as the model was trained.",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        option("--threshold", panel=_CLASSES, value="SCORE", help="The least score with which a class is given."),
    ] = None
    calibrate: Annotated[
        bool,
        option("--calibrate", panel=_CLASSES, help="The input is labelled: write the thresholds that suit it best."),
    ] = False
    calibration: Annotated[
        str | None,
        option("--calibration", panel=_CLASSES, value="FILE", help="Thresholds that --calibrate wrote."),
    ] = None
    expect: Expect = None


@dataclass(frozen=True, slots=True)
class ClassOutputOptions:
    """Where classes go, and in which format."""

    to: Annotated[ClassFormatName | None, format_option(ClassFormatName)] = None
    out: Out = None
    line_buffered: LineBuffered = False

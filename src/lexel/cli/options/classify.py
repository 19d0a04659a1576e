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

TextFormatName = Literal[
    "text",
    "jsonl",
    "tsv",
    "csv",
    "segmented",
    "conll",
    "conllu",
    "parquet",
    "hugging-face",
    "doccano",
    "label-studio",
    "prodigy",
    "cluener",
    "spacy",
    "brat",
    "ontonotes",
    "conll2012",
    "uner",
    "germeval",
    "webanno",
    "fasttext",
]

ClassFormatName = Literal["jsonl", "tsv", "fasttext", "terminal"]

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
            help=f"{choices(TextFormatName)}. Default: by the file ending, else text with one record per line.",
        ),
    ] = None
    text_field: Annotated[
        str, option("--text-field", panel=_INPUT, value="NAME", help="Key or column of the text. Default: text.")
    ] = "text"
    pair_field: Annotated[
        str,
        option(
            "--pair-field",
            panel=_INPUT,
            value="NAME",
            help="Key or column of a pair's second text. Default: text_pair.",
        ),
    ] = "text_pair"
    label_field: Annotated[
        str,
        option(
            "--label-field",
            panel=_INPUT,
            value="NAME",
            help="Key or column of the label, for --calibrate. Default: label.",
        ),
    ] = "label"
    encoding: Encoding = "utf-8"
    max_chars: MaxChars = None
    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """The classes, and when they are assigned."""

    labels: Annotated[
        str | None,
        option(
            "--labels", panel=_CLASSES, value="A,B,...", help="Zero-shot: the classes that an NLI model chooses from."
        ),
    ] = None
    template: Annotated[
        str | None,
        option(
            "--template",
            panel=_CLASSES,
            value="TEXT",
            help="Zero-shot: the hypothesis, with {} for the class. Default: in the language of the classes.",
        ),
    ] = None
    multi_label: Annotated[
        bool | None,
        option(
            "--multi-label/--single-label",
            panel=_CLASSES,
            help="Any number of classes per text, or exactly one. Default: as the model was trained.",
        ),
    ] = None
    top_k: Annotated[
        int | None,
        option("--top-k", panel=_CLASSES, value="N", min=1, help="Number of classes to return. Default: all."),
    ] = None
    function: Annotated[
        FunctionName | None,
        option(
            "--function",
            panel=_CLASSES,
            value="NAME",
            help=f"Function applied to the scores: {choices(FunctionName)}. Default: as the model was trained.",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        option("--threshold", panel=_CLASSES, value="SCORE", help="Minimum score of a class."),
    ] = None
    calibrate: Annotated[
        bool,
        option("--calibrate", panel=_CLASSES, help="The input is labelled: write the best thresholds for it."),
    ] = False
    calibration: Annotated[
        str | None,
        option("--calibration", panel=_CLASSES, value="FILE", help="Thresholds that --calibrate wrote."),
    ] = None
    expect: Expect = None


@dataclass(frozen=True, slots=True)
class ClassOutputOptions:
    """The output of classes, and its format."""

    to: Annotated[ClassFormatName | None, format_option(ClassFormatName)] = None
    out: Out = None
    line_buffered: LineBuffered = False

"""``lexel classify``: classes of texts and pairs of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    ComputeOptions,
    Encoding,
    Files,
    HeadOptions,
    LineBuffered,
    MaxChars,
    MessageOptions,
    Out,
    Script,
    choices,
    format_option,
    grouped,
    option,
)
from lexel.cli.terminal.messages import reported

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


@dataclass(frozen=True, slots=True)
class ClassOutputOptions:
    """Where classes go, and in which format."""

    to: Annotated[ClassFormatName | None, format_option(ClassFormatName)] = None
    out: Out = None
    line_buffered: LineBuffered = False


@grouped
def classify(
    *,
    files: Files = None,
    model: HeadOptions,
    texts: TextOptions,
    script: Script = "as-is",
    classes: ClassOptions,
    output: ClassOutputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Give texts, or pairs of texts, their classes.

    By a model that was trained for them; or, with --labels, by one that
    tells whether one text follows from another. Long texts are read to
    their end. On a terminal the result is drawn; into a pipe or a file go
    JSON lines. Record n of the output is record n of the input.

    [dim]A file, with a model of the hub:[/]
    [bold]lexel classify -m owner/model reviews.txt -o reviews.jsonl[/]

    [dim]Into classes that no model was trained for:[/]
    [bold]lexel classify -m owner/nli-model --labels 体育,财经 news.txt[/]

    [dim]Thresholds that suit labelled texts, and their use:[/]
    [bold]lexel classify -m owner/model --calibrate dev.tsv -o dev.json
    lexel classify -m owner/model --calibration dev.json news.txt[/]
    """
    with reported(messages):
        from lexel.cli.jobs.classifying import check_classes, load_calibrated, load_classifier, plan_classes

        check_classes(classes)
        job = plan_classes(files, texts, output=output, is_labelled=classes.calibrate)
        if classes.calibrate:
            trained = load_calibrated(model, classes, script=script, compute=compute, messages=messages)
            job.calibrate(trained)
        else:
            classifier = load_classifier(model, classes, script=script, compute=compute, messages=messages)
            job.run(classifier, is_quiet=messages.quiet)

"""``lexel classify``: classes of texts and pairs of texts."""

from __future__ import annotations

from lexel.cli.options.classify import ClassOptions, ClassOutputOptions, TextOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    Files,
    HeadOptions,
    MessageOptions,
    Script,
    grouped,
)
from lexel.cli.terminal.messages import reported


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

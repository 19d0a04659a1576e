"""``lexel classify``: classify texts and pairs of texts."""

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
    """Classify texts or pairs of texts.

    Uses a trained classifier, or, with --labels, a model for natural
    language inference (zero-shot). Long texts are read to the end. Pipes
    and files get JSON lines: record n of the output is record n of the
    input.

    [dim]A file, with a model from the hub:[/]
    [bold]lexel classify -m owner/model reviews.txt -o reviews.jsonl[/]

    [dim]Zero-shot, with any classes:[/]
    [bold]lexel classify -m owner/nli-model --labels 体育,财经 news.txt[/]

    [dim]Find thresholds on labelled texts, and use them:[/]
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

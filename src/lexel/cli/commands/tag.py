"""``lexel tag``: words, tags and entities."""

from __future__ import annotations

from lexel.cli.options.groups import (
    ComputeOptions,
    Files,
    Ignore,
    InputOptions,
    LabelOptions,
    LayerOptions,
    MessageOptions,
    ModelOptions,
    OutputOptions,
    ReadingOptions,
    TagOptions,
    grouped,
)
from lexel.cli.terminal.messages import reported


@grouped
def tag(
    *,
    files: Files = None,
    model: ModelOptions,
    layers: LayerOptions,
    labels: LabelOptions,
    input: InputOptions,
    output: OutputOptions,
    reading: ReadingOptions,
    tagging: TagOptions,
    ignore: Ignore = None,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Find words, part-of-speech tags and named entities.

    Reads all layers that the model has a head for. Draws the result on a
    terminal, and writes JSON lines into pipes and files. Record n of the
    output is record n of the input, including blank lines.

    [dim]A file, with the included model:[/]
    [bold]lexel tag news.txt --out news.jsonl[/]

    [dim]A model from the hub, into CoNLL columns:[/]
    [bold]lexel tag -m dslim/bert-base-NER news.txt --to conll[/]

    [dim]Two models as one:[/]
    [bold]lexel tag --words ckiplab/bert-base-chinese-ws \\
        --pos ckiplab/bert-base-chinese-pos news.txt[/]
    """
    with reported(messages):
        from lexel.cli.jobs.loading import load_tagger
        from lexel.cli.jobs.tagging import plan_tagging

        job = plan_tagging(files, input, output=output, piped="jsonl", on_terminal="terminal")
        tagger = load_tagger(
            model,
            layers,
            labels=labels,
            reading=reading,
            tagging=tagging,
            compute=compute,
            messages=messages,
            ignore=ignore,
        )
        job.run(tagger, given_words=tagging.given_words, is_quiet=messages.quiet)

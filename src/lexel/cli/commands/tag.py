"""``lexel tag``: find words, tags and entities."""

from __future__ import annotations

from functools import partial

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
    PartsOptions,
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
    parts: PartsOptions,
    messages: MessageOptions,
) -> None:
    """Find words, part-of-speech tags and named entities.

    Reads all layers that the model has a head for. Draws the result on a
    terminal, and writes JSON lines into pipes and files. Record n of the
    output is record n of the input, including blank lines.

    [dim]A file, with the bundled model:[/]
    [bold]lexel tag news.txt --out news.jsonl[/]

    [dim]A model from the hub, into CoNLL columns:[/]
    [bold]lexel tag -m dslim/bert-base-NER news.txt --to conll[/]

    [dim]A large file with two processes; after a kill, run it again:[/]
    [bold]lexel tag dump.jsonl.gz --out tagged.jsonl --workers 2 --resume[/]

    [dim]Two models as one:[/]
    [bold]lexel tag --words ckiplab/bert-base-chinese-ws \\
        --pos ckiplab/bert-base-chinese-pos news.txt[/]
    """
    with reported(messages):
        from lexel.cli.jobs.loading import load_tagger
        from lexel.cli.jobs.tagging import plan_tagging

        job = plan_tagging(files, input, output=output, piped="jsonl", on_terminal="terminal")
        load = partial(
            load_tagger,
            model,
            layers,
            labels=labels,
            reading=reading,
            tagging=tagging,
            compute=compute,
            messages=messages,
            ignore=ignore,
        )
        if not parts.in_parts:
            job.run(load(), given_words=tagging.given_words, is_quiet=messages.quiet)
            return
        from lexel.cli.jobs.scripts import bundled_model_of
        from lexel.cli.jobs.tagging_parts import check_parts, tag_in_parts, tag_step

        check_parts(job, parts)
        step = tag_step(
            model,
            layers,
            labels=labels,
            reading=reading,
            tagging=tagging,
            compute=compute,
            ignore=ignore,
            max_chars=input.max_chars,
        )
        bundled = bundled_model_of(load())  # logs the loaded model and warnings about it once
        tag_in_parts(job, step, parts=parts, compute=compute, bundled=bundled, is_quiet=messages.quiet)

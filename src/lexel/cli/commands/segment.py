"""``lexel segment``: split text into words."""

from __future__ import annotations

from lexel.cli.options.groups import (
    ComputeOptions,
    Files,
    InputOptions,
    LabelOptions,
    MessageOptions,
    ModelOptions,
    OutputOptions,
    ReadingOptions,
    grouped,
)
from lexel.cli.terminal.messages import reported


@grouped
def segment(
    *,
    files: Files = None,
    model: ModelOptions,
    labels: LabelOptions,
    input: InputOptions,
    output: OutputOptions,
    reading: ReadingOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Split text into words.

    Computes the words head only. The default output is one line per record
    with spaces between words; --to or the ending of --out selects another
    format.

    [dim]Words of a file:[/]
    [bold]lexel segment news.txt[/]

    [dim]With UTF-16 offsets, for JavaScript:[/]
    [bold]lexel segment news.txt --to jsonl --offsets utf16[/]

    [dim]With a lexicon:[/]
    [bold]lexel segment --lexicon names.txt news.txt[/]
    """
    with reported(messages):
        from lexel.cli.jobs.loading import load_segmenter
        from lexel.cli.jobs.tagging import plan_tagging

        job = plan_tagging(files, input, output=output, piped="segmented", on_terminal="segmented")
        tagger = load_segmenter(model, labels, reading=reading, compute=compute, messages=messages)
        job.run(tagger, given_words=False, is_quiet=messages.quiet, unasked=("scores",))

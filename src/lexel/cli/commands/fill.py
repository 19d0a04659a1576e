"""``lexel fill``: fill masked words, and compute the pseudo-perplexity of texts."""

from __future__ import annotations

from lexel.cli.options.fill import DecideOptions, FillOutputOptions, MaskOptions, PerplexityOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    Files,
    HeadOptions,
    MessageOptions,
    PlainInputOptions,
    Script,
    grouped,
)
from lexel.cli.terminal.messages import reported


@grouped
def fill(
    *,
    files: Files = None,
    model: HeadOptions,
    script: Script = "as-is",
    masks: MaskOptions,
    deciding: DecideOptions,
    perplexity: PerplexityOptions,
    input: PlainInputOptions,
    output: FillOutputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Fill masked words with a masked language model.

    \\[MASK] is one piece, \\[MASK:2] a word of two pieces, \\[MASK:1-4] a word
    of one to four. Pipes and files get JSON lines. --to text writes each
    record with the best candidates filled in.

    [dim]One word of unknown length:[/]
    [bold]echo '他在\\[MASK:1-3]大学读书。' | lexel fill -m bert-base-chinese[/]

    [dim]Choose the best of several words:[/]
    [bold]lexel fill -m bert-base-chinese --mask ____ --targets 北京,上海市 in.txt[/]

    [dim]Pseudo-perplexity of each text, to filter a corpus:[/]
    [bold]lexel fill -m bert-base-chinese --perplexity corpus.txt -o out.tsv[/]
    """
    with reported(messages):
        from lexel.cli.jobs.filling import load_filler, plan_filling

        job = plan_filling(files, input, output=output, perplexity=perplexity)
        filler = load_filler(model, masks, deciding=deciding, script=script, compute=compute, messages=messages)
        job.run(filler, is_quiet=messages.quiet)

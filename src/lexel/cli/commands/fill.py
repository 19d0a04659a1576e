"""``lexel fill``: masked words, and how little texts surprise a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    ComputeOptions,
    Files,
    HeadOptions,
    InputOptions,
    LineBuffered,
    MessageOptions,
    Offsets,
    Out,
    Script,
    format_option,
    grouped,
    option,
)
from lexel.cli.terminal.messages import reported

_MASKS, _DECIDING, _TEXTS = "Masks", "Deciding", "Whole texts"

FillFormatName = Literal["jsonl", "tsv", "text", "terminal"]
OrderName = Literal["left", "certain"]
RankName = Literal["chain", "pll"]


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """What is a mask, and what may take its place."""

    mask: Annotated[
        str | None,
        option("--mask", panel=_MASKS, value="SYMBOL", help="A mask beside the model's own \\[MASK] or <mask>: ____."),
    ] = None
    length: Annotated[
        str | None,
        option("--length", panel=_MASKS, value="N-M", help="Pieces of a mask that does not say it; 1 if not given."),
    ] = None
    top_k: Annotated[
        int | None,
        option("--top-k", "-k", panel=_MASKS, value="N", min=1, help="How many candidates: 5, or all targets."),
    ] = None
    targets: Annotated[
        str | None, option("--targets", panel=_MASKS, value="A,B,...", help="Words to choose from, of any length.")
    ] = None
    targets_file: Annotated[
        str | None, option("--targets-file", panel=_MASKS, value="FILE", help="Words to choose from, one a line.")
    ] = None


@dataclass(frozen=True, slots=True)
class DecideOptions:
    """How masks of several pieces, and several masks, are decided."""

    joint: Annotated[
        bool, option("--joint", panel=_DECIDING, help="Decide all masks of a record together, not each by itself.")
    ] = False
    beam: Annotated[
        int,
        option("--beam", panel=_DECIDING, value="N", min=1, help="Hypotheses kept of each length; 16 if not given."),
    ] = 16
    order: Annotated[
        OrderName,
        option("--order", panel=_DECIDING, value="NAME", help="The most certain piece first, if not given; or left."),
    ] = "certain"
    rank: Annotated[
        RankName,
        option(
            "--rank",
            panel=_DECIDING,
            value="NAME",
            help="By the chain's probability, if not given; or pll, each piece given all others.",
        ),
    ] = "chain"
    length_penalty: Annotated[
        float,
        option(
            "--length-penalty",
            panel=_DECIDING,
            value="POWER",
            help="Of the number of pieces: 0 favours short fillings, 1 is the mean; 0.7 if not given.",
        ),
    ] = 0.7


@dataclass(frozen=True, slots=True)
class PerplexityOptions:
    """Texts as a whole."""

    perplexity: Annotated[
        bool, option("--perplexity", panel=_TEXTS, help="Fill nothing: give each record's pseudo-perplexity.")
    ] = False
    whole_words: Annotated[
        bool, option("--whole-words", panel=_TEXTS, help="For it, mask the rest of a piece's word too.")
    ] = False


@dataclass(frozen=True, slots=True)
class FillOutputOptions:
    """Where results go, and in which format."""

    to: Annotated[FillFormatName | None, format_option(FillFormatName)] = None
    out: Out = None
    offsets: Offsets = "char"
    line_buffered: LineBuffered = False


@grouped
def fill(
    *,
    files: Files = None,
    model: HeadOptions,
    script: Script = "as-is",
    masks: MaskOptions,
    deciding: DecideOptions,
    perplexity: PerplexityOptions,
    input: InputOptions,
    output: FillOutputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Fill masked words, by a masked-language model.

    \\[MASK] is one piece, \\[MASK:2] a word of two, \\[MASK:1-4] one of one to
    four. On a terminal the candidates are drawn; into a pipe or a file go
    JSON lines; --to text writes each record with its best candidates.

    [dim]One word, of a length that is not known:[/]
    [bold]echo '他在\\[MASK:1-3]大学读书。' | lexel fill -m bert-base-chinese[/]

    [dim]Which of some words fits best:[/]
    [bold]lexel fill -m bert-base-chinese --mask ____ --targets 北京,上海市 in.txt[/]

    [dim]Texts with their pseudo-perplexity, to filter a corpus by:[/]
    [bold]lexel fill -m bert-base-chinese --perplexity corpus.txt -o out.tsv[/]
    """
    with reported(messages):
        from lexel.cli.jobs.filling import load_filler, plan_filling

        job = plan_filling(files, input, output=output, perplexity=perplexity)
        filler = load_filler(model, masks, deciding=deciding, script=script, compute=compute, messages=messages)
        job.run(filler, is_quiet=messages.quiet)

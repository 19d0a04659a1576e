"""Options of ``lexel fill``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    LineBuffered,
    Offsets,
    Out,
    format_option,
    option,
)

_MASKS, _DECIDING, _TEXTS = "Masks", "Deciding", "Whole texts"

FillFormatName = Literal["jsonl", "tsv", "text", "terminal"]

OrderName = Literal["left", "certain"]

RankName = Literal["chain", "pll"]


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """Masks and their candidates."""

    mask: Annotated[
        str | None,
        option(
            "--mask",
            panel=_MASKS,
            value="SYMBOL",
            help="Another way to write a mask, such as ____, besides the model's own.",
        ),
    ] = None
    length: Annotated[
        str | None,
        option("--length", panel=_MASKS, value="N-M", help="Length in pieces of masks without a length. Default: 1."),
    ] = None
    top_k: Annotated[
        int | None,
        option(
            "--top-k", "-k", panel=_MASKS, value="N", min=1, help="Number of candidates. Default: 5, or all targets."
        ),
    ] = None
    targets: Annotated[
        str | None, option("--targets", panel=_MASKS, value="A,B,...", help="Words to choose from, of any length.")
    ] = None
    targets_file: Annotated[
        str | None,
        option("--targets-file", panel=_MASKS, value="FILE", help="File of words to choose from, one per line."),
    ] = None


@dataclass(frozen=True, slots=True)
class DecideOptions:
    """How several masks, and masks of several pieces, are decided."""

    joint: Annotated[
        bool, option("--joint", panel=_DECIDING, help="Fill all masks of a record together instead of one by one.")
    ] = False
    beam: Annotated[
        int,
        option("--beam", panel=_DECIDING, value="N", min=1, help="Beam width for each length. Default: 16."),
    ] = 16
    order: Annotated[
        OrderName,
        option(
            "--order",
            panel=_DECIDING,
            value="NAME",
            help="Fill the most certain piece first (certain, default) or from the left (left).",
        ),
    ] = "certain"
    rank: Annotated[
        RankName,
        option(
            "--rank",
            panel=_DECIDING,
            value="NAME",
            help="Rank by chain probability (chain, default) or by pseudo-log-likelihood (pll).",
        ),
    ] = "chain"
    length_penalty: Annotated[
        float,
        option(
            "--length-penalty",
            panel=_DECIDING,
            value="POWER",
            help="Length normalisation: 0 favours short candidates, 1 is the mean per piece. Default: 0.7.",
        ),
    ] = 0.7


@dataclass(frozen=True, slots=True)
class PerplexityOptions:
    """Measures of whole texts."""

    perplexity: Annotated[
        bool,
        option(
            "--perplexity", panel=_TEXTS, help="Compute the pseudo-perplexity of each record instead of filling masks."
        ),
    ] = False
    whole_words: Annotated[
        bool, option("--whole-words", panel=_TEXTS, help="With --perplexity: also mask the rest of the word.")
    ] = False


@dataclass(frozen=True, slots=True)
class FillOutputOptions:
    """The output of results, and its format."""

    to: Annotated[FillFormatName | None, format_option(FillFormatName)] = None
    out: Out = None
    offsets: Offsets = "char"
    line_buffered: LineBuffered = False

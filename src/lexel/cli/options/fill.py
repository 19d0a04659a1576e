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

"""Options of ``lexel embed``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    choices,
    format_option,
    option,
)

_VECTORS, _OUTPUT = "Vectors", "Output"

PartName = Literal["text", "word", "entity"]

VectorFormatName = Literal["npy", "parquet", "lancedb", "jsonl"]


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """How vectors are computed. Default: as the model's files say."""

    pooling: Annotated[
        str | None,
        option(
            "--pooling",
            panel=_VECTORS,
            value="WAY",
            help="mean, cls, max, last-4 (layers) or learned. Default: as the model defines it, else mean.",
        ),
    ] = None
    layer: Annotated[
        int,
        option("--layer", panel=_VECTORS, value="N", help="Hidden layer. Default: -1, the last. 0: the embeddings."),
    ] = -1
    normalise: Annotated[
        bool | None,
        option(
            "--normalise/--no-normalise",
            panel=_VECTORS,
            help="Scale vectors to length 1. Default: as the model defines it.",
        ),
    ] = None
    dimensions: Annotated[
        int | None,
        option("--dimensions", panel=_VECTORS, value="N", min=1, help="Keep the first N dimensions."),
    ] = None


Prompt = Annotated[
    str | None,
    option(
        "--prompt",
        panel=_VECTORS,
        value="TEXT",
        help="Text put before each input, or the name of one of the model's prompts.",
    ),
]


@dataclass(frozen=True, slots=True)
class VectorOutputOptions:
    """The unit of vectors, and their output."""

    per: Annotated[
        PartName,
        option(
            "--per",
            panel=_VECTORS,
            value="PART",
            help=f"One vector per part of the input: {choices(PartName)}. lexel tag finds the parts.",
        ),
    ] = "text"
    to: Annotated[
        VectorFormatName | None,
        format_option(VectorFormatName, otherwise="by the ending of --out, a folder for NumPy if none"),
    ] = None
    out: Annotated[
        str | None,
        option(
            "--out", "-o", panel=_OUTPUT, value="NAME", help="Output file or folder. It appears when it is complete."
        ),
    ] = None

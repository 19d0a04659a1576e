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
    """How a vector is made; what is not said is as the model's files say."""

    pooling: Annotated[
        str | None,
        option(
            "--pooling",
            panel=_VECTORS,
            value="WAY",
            help="mean, cls, max, last-4 (layers), learned; if not given as the model's files say, else mean.",
        ),
    ] = None
    layer: Annotated[
        int, option("--layer", panel=_VECTORS, value="N", help="Hidden layer: -1, the last, if not given; 0: input.")
    ] = -1
    normalise: Annotated[
        bool | None,
        option("--normalise/--no-normalise", panel=_VECTORS, help="Vectors of length 1; else as the files say."),
    ] = None
    dimensions: Annotated[
        int | None,
        option("--dimensions", panel=_VECTORS, value="N", min=1, help="Keep the first N numbers of a vector."),
    ] = None


Prompt = Annotated[
    str | None,
    option(
        "--prompt", panel=_VECTORS, value="TEXT", help="What goes before each text, or the name of a prompt it has."
    ),
]


@dataclass(frozen=True, slots=True)
class VectorOutputOptions:
    """Of what vectors are made, and where they go."""

    per: Annotated[
        PartName,
        option(
            "--per",
            panel=_VECTORS,
            value="PART",
            help=f"{choices(PartName)}: a vector for each; parts are those of the input (lexel tag finds them).",
        ),
    ] = "text"
    to: Annotated[
        VectorFormatName | None,
        format_option(VectorFormatName, otherwise="by the ending of --out, a folder for NumPy if none"),
    ] = None
    out: Annotated[
        str | None,
        option("--out", "-o", panel=_OUTPUT, value="NAME", help="Write here; it appears when it is whole."),
    ] = None

"""Options of ``lexel verify``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    ComputeOptions,
    DecodeName,
    PrecisionName,
    choices,
    option,
)

_VERIFYING, _COMPUTING = "Verifying", "Computing"

ReportFormat = Literal["terminal", "json"]

Data = Annotated[
    list[str] | None,
    option(
        "--data",
        "-d",
        panel=_VERIFYING,
        value="FILE",
        help="Gold data. Can be repeated. Default: the card's data sets, if they are on this machine.",
    ),
]


@dataclass(frozen=True, slots=True)
class ClaimOptions:
    """The claims to check, and the tolerance."""

    tolerance: Annotated[
        float,
        option(
            "--tolerance", panel=_VERIFYING, value="POINTS", min=0, help="Maximum difference in points. Default: 1."
        ),
    ] = 1.0
    dataset: Annotated[
        str | None,
        option("--dataset", panel=_VERIFYING, value="NAME", help="Name of the data in the card, if it is ambiguous."),
    ] = None
    map_labels: Annotated[
        str | None,
        option(
            "--map-labels",
            panel=_VERIFYING,
            value="FILE",
            help="JSON file that maps gold labels to the model's labels.",
        ),
    ] = None
    given_words: Annotated[bool, option("--given-words", panel=_VERIFYING, help="Score tags on the gold words.")] = (
        False
    )
    decode: Annotated[
        DecodeName | None,
        option(
            "--decode",
            panel=_VERIFYING,
            value="RULE",
            help="viterbi or argmax. Default: as in the card, else viterbi for Lexel's folders, else argmax.",
        ),
    ] = None
    samples: Annotated[
        int,
        option("--samples", panel=_VERIFYING, value="N", min=0, help="Bootstrap samples. Default: 1000. 0: none."),
    ] = 1000
    seed: Annotated[int, option("--seed", panel=_VERIFYING, value="N", help="Seed of the samples. Default: 42.")] = 42
    to: Annotated[
        ReportFormat,
        option("--to", panel=_VERIFYING, value="FORMAT", help=f"{choices(ReportFormat)}. Default: terminal."),
    ] = "terminal"
    out: Annotated[
        str | None, option("--out", "-o", panel=_VERIFYING, value="FILE", help="Write the report as JSON.")
    ] = None


@dataclass(frozen=True, slots=True)
class ExactOptions(ComputeOptions):
    """The engine; in full precision by default."""

    precision: Annotated[
        PrecisionName,
        option(
            "--precision",
            panel=_COMPUTING,
            value="NAME",
            help=f"{choices(PrecisionName)}. auto is float32, and float64 in the engine numpy.",
        ),
    ] = "auto"

    @property
    def exact(self) -> ComputeOptions:
        """The same, with the default precision filled in."""
        is_open = self.precision == "auto" and self.engine != "numpy"
        return replace(self, precision="float32") if is_open else self

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
        help="The gold data; again for more files. Else the card's data sets, if this machine has them.",
    ),
]


@dataclass(frozen=True, slots=True)
class ClaimOptions:
    """What is run again, and how near it must come."""

    tolerance: Annotated[
        float,
        option(
            "--tolerance", panel=_VERIFYING, value="POINTS", min=0, help="How far a figure may be off; 1 if not given."
        ),
    ] = 1.0
    dataset: Annotated[
        str | None,
        option("--dataset", panel=_VERIFYING, value="NAME", help="What the card calls the data, if not clear."),
    ] = None
    map_labels: Annotated[
        str | None,
        option("--map-labels", panel=_VERIFYING, value="FILE", help="JSON: gold labels to the model's names for them."),
    ] = None
    given_words: Annotated[
        bool, option("--given-words", panel=_VERIFYING, help="Keep the gold words, and score tags on these.")
    ] = False
    decode: Annotated[
        DecodeName | None,
        option(
            "--decode",
            panel=_VERIFYING,
            value="RULE",
            help="viterbi or argmax. If not given: as the card says, else viterbi for Lexel's folders, else argmax.",
        ),
    ] = None
    samples: Annotated[
        int,
        option("--samples", panel=_VERIFYING, value="N", min=0, help="Bootstrap samples; 1000 if not given, 0: none."),
    ] = 1000
    seed: Annotated[int, option("--seed", panel=_VERIFYING, value="N", help="Of the samples; 42 if not given.")] = 42
    to: Annotated[
        ReportFormat,
        option("--to", panel=_VERIFYING, value="FORMAT", help=f"{choices(ReportFormat)}; a table if not given."),
    ] = "terminal"
    out: Annotated[
        str | None, option("--out", "-o", panel=_VERIFYING, value="FILE", help="Write the report as JSON.")
    ] = None


@dataclass(frozen=True, slots=True)
class ExactOptions(ComputeOptions):
    """What computes; exactly, unless something else is asked for."""

    precision: Annotated[
        PrecisionName,
        option(
            "--precision",
            panel=_COMPUTING,
            value="NAME",
            help=f"{choices(PrecisionName)}; auto is float32 here, in the engine numpy float64.",
        ),
    ] = "auto"

    @property
    def exact(self) -> ComputeOptions:
        """The same, with the precision that is meant by none."""
        is_open = self.precision == "auto" and self.engine != "numpy"
        return replace(self, precision="float32") if is_open else self

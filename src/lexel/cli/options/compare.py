"""Options of ``lexel compare``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from lexel.cli.options.groups import (
    option,
)

_COMPARING = "Comparing"

AgainstName = Literal["first", "best"]

Models = Annotated[list[str], typer.Argument(metavar="MODELS", help="Model folders or hub ids (owner/name@revision).")]

Data = Annotated[
    list[str],
    option(
        "--data", "-d", panel=_COMPARING, value="FILE", help="Labelled documents. Can be repeated for more data sets."
    ),
]


@dataclass(frozen=True, slots=True)
class ComparingOptions:
    """How models are compared, and the outputs of the report."""

    label_map: Annotated[
        str | None,
        option(
            "--label-map",
            panel=_COMPARING,
            value="FILE",
            help="JSON file that maps labels to common names. null drops a label.",
        ),
    ] = None
    against: Annotated[
        AgainstName,
        option(
            "--against",
            panel=_COMPARING,
            value="MODEL",
            help="Compare the others with the first model (default) or the best.",
        ),
    ] = "first"
    samples: Annotated[
        int,
        option("--samples", panel=_COMPARING, value="N", min=0, help="Bootstrap samples. Default: 1000. 0: none."),
    ] = 1000
    seed: Annotated[int, option("--seed", panel=_COMPARING, value="N", help="Seed of the samples. Default: 42.")] = 42
    rounds: Annotated[
        int,
        option(
            "--rounds",
            panel=_COMPARING,
            value="N",
            min=0,
            help="Rounds of the speed measurement. Default: 3. 0: none.",
        ),
    ] = 3
    speed_chars: Annotated[
        int,
        option("--speed-chars", panel=_COMPARING, value="N", min=1, help="Characters read per round. Default: 20000."),
    ] = 20_000
    examples: Annotated[
        int,
        option("--examples", panel=_COMPARING, value="N", min=0, help="Number of differences to show. Default: 6."),
    ] = 6
    out: Annotated[
        str | None, option("--out", "-o", panel=_COMPARING, value="FILE", help="Write the comparison as JSON.")
    ] = None
    html: Annotated[
        str | None,
        option("--html", panel=_COMPARING, value="FILE", help="Write an HTML page with all differences."),
    ] = None

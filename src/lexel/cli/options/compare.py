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

Models = Annotated[
    list[str], typer.Argument(metavar="MODELS", help="Folders or hub ids (owner/name@revision), the first one first.")
]

Data = Annotated[
    list[str],
    option("--data", "-d", panel=_COMPARING, value="FILE", help="Labelled documents; again for more data sets."),
]


@dataclass(frozen=True, slots=True)
class ComparingOptions:
    """What is compared how, and where the report goes."""

    label_map: Annotated[
        str | None,
        option(
            "--label-map",
            panel=_COMPARING,
            value="FILE",
            help="JSON: labels of models and data to common names; null leaves a type out.",
        ),
    ] = None
    against: Annotated[
        AgainstName,
        option(
            "--against",
            panel=_COMPARING,
            value="MODEL",
            help="What the others are held against: the first model if not given, or the best.",
        ),
    ] = "first"
    samples: Annotated[
        int,
        option("--samples", panel=_COMPARING, value="N", min=0, help="Bootstrap samples; 1000 if not given, 0: none."),
    ] = 1000
    seed: Annotated[int, option("--seed", panel=_COMPARING, value="N", help="Of the samples; 42 if not given.")] = 42
    rounds: Annotated[
        int,
        option(
            "--rounds",
            panel=_COMPARING,
            value="N",
            min=0,
            help="Rounds in which speed is measured; 3 if not given, 0: none.",
        ),
    ] = 3
    speed_chars: Annotated[
        int,
        option(
            "--speed-chars", panel=_COMPARING, value="N", min=1, help="Characters read in a round; 20000 if not given."
        ),
    ] = 20_000
    examples: Annotated[
        int,
        option("--examples", panel=_COMPARING, value="N", min=0, help="Differences to show; 6 if not given."),
    ] = 6
    out: Annotated[
        str | None, option("--out", "-o", panel=_COMPARING, value="FILE", help="Write the comparison as JSON.")
    ] = None
    html: Annotated[
        str | None,
        option("--html", panel=_COMPARING, value="FILE", help="Write it as a page, with all differences."),
    ] = None

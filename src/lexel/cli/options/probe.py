"""Options of ``lexel probe``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option
from lexel.names import FlatLayer

_PROBING = "Probing"

Data = Annotated[str, option("--data", "-d", panel=_PROBING, value="FILE", help="Labelled documents.")]

Head = Annotated[
    FlatLayer, option("--head", panel=_PROBING, value="NAME", help="Property to look for: words, pos or entities.")
]


@dataclass(frozen=True, slots=True)
class ProbingOptions:
    """How layers are probed, and the outputs of the report."""

    test: Annotated[
        str | None,
        option("--test", panel=_PROBING, value="FILE", help="Documents to score on. Default: a fifth of --data."),
    ] = None
    max_items: Annotated[
        int,
        option(
            "--max-items", panel=_PROBING, value="N", min=1, help="Maximum number of labelled pieces. Default: 20000."
        ),
    ] = 20_000
    samples: Annotated[
        int,
        option("--samples", panel=_PROBING, value="N", min=0, help="Bootstrap samples. Default: 1000. 0: none."),
    ] = 1000
    seed: Annotated[
        int, option("--seed", panel=_PROBING, value="N", help="Seed of the split and the samples. Default: 42.")
    ] = 42
    out: Annotated[
        str | None, option("--out", "-o", panel=_PROBING, value="FILE", help="Write the scores as JSON.")
    ] = None
    html: Annotated[
        str | None, option("--html", panel=_PROBING, value="FILE", help="Write an HTML page with a plot.")
    ] = None

"""Options of ``lexel cluster``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from lexel.cli.options.groups import option

_CLUSTER = "Clusters"

Place = Annotated[str, typer.Argument(metavar="VECTORS", help="What lexel embed wrote: a folder, or .parquet.")]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How vectors are grouped, and what is shown."""

    clusters: Annotated[
        int | None,
        option("--clusters", "-k", panel=_CLUSTER, value="N", min=1, help="How many clusters to make (k-means)."),
    ] = None
    threshold: Annotated[
        float | None,
        option(
            "--threshold",
            panel=_CLUSTER,
            value="C",
            min=-1.0,
            max=1.0,
            help="Or: join while clusters are, on average, at least this like each other (cosine).",
        ),
    ] = None
    seed: Annotated[int, option("--seed", panel=_CLUSTER, value="N", min=0, help="Of k-means; 42 if not given.")] = 42
    show: Annotated[
        int, option("--show", panel=_CLUSTER, value="N", min=0, help="Texts to show of each; 3 if not given.")
    ] = 3
    out: Annotated[
        str | None,
        option("--out", "-o", panel=_CLUSTER, value="FILE", help="Write each text with its cluster, as JSON lines."),
    ] = None

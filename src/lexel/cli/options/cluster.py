"""Options of ``lexel cluster``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from lexel.cli.options.groups import option

_CLUSTER = "Clusters"

Place = Annotated[str, typer.Argument(metavar="VECTORS", help="Output of lexel embed: a folder or a .parquet file.")]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How vectors are grouped and shown."""

    clusters: Annotated[
        int | None,
        option("--clusters", "-k", panel=_CLUSTER, value="N", min=1, help="Number of clusters (k-means)."),
    ] = None
    threshold: Annotated[
        float | None,
        option(
            "--threshold",
            panel=_CLUSTER,
            value="C",
            min=-1.0,
            max=1.0,
            help="Alternative to -k: merge clusters while their average cosine similarity is at least C.",
        ),
    ] = None
    seed: Annotated[int, option("--seed", panel=_CLUSTER, value="N", min=0, help="Seed of k-means. Default: 42.")] = 42
    show: Annotated[
        int, option("--show", panel=_CLUSTER, value="N", min=0, help="Texts to show for each cluster. Default: 3.")
    ] = 3
    out: Annotated[
        str | None,
        option("--out", "-o", panel=_CLUSTER, value="FILE", help="Write each text with its cluster, as JSON lines."),
    ] = None

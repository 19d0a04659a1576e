"""Options of ``lexel search``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from lexel.cli.options.groups import (
    choices,
    option,
)

_SEARCH = "Search"

MetricName = Literal["cosine", "dot"]

IndexName = Literal["exact", "hnsw"]

Place = Annotated[
    str, typer.Argument(metavar="VECTORS", help="Output of lexel embed (a folder or .parquet), or a file of texts.")
]


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The queries."""

    query: Annotated[
        list[str] | None, option("--query", panel=_SEARCH, value="TEXT", help="Text to search for. Can be repeated.")
    ] = None
    queries: Annotated[
        str | None,
        option("--queries", panel=_SEARCH, value="FILE", help="File of texts to search for. - is standard input."),
    ] = None
    top_k: Annotated[
        int, option("--top-k", "-k", panel=_SEARCH, value="N", min=1, help="Number of results. Default: 10.")
    ] = 10
    metric: Annotated[
        MetricName,
        option("--metric", panel=_SEARCH, value="NAME", help=f"{choices(MetricName)}. Default: cosine."),
    ] = "cosine"
    index: Annotated[
        IndexName | None,
        option(
            "--index",
            panel=_SEARCH,
            value="NAME",
            help=f"{choices(IndexName)} (a graph, built once). Default: hnsw from a million vectors on, else exact.",
        ),
    ] = None

"""``lexel cluster``: group similar vectors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lexel.cli.options.cluster import ClusterOptions, Place
from lexel.cli.options.groups import MessageOptions, grouped
from lexel.cli.terminal.messages import is_terminal, note, reported

if TYPE_CHECKING:
    from lexel.data.vectors import VectorRecord, Vectors
    from lexel.tasks.cluster import Cluster


@grouped
def cluster(*, place: Place, options: ClusterOptions, messages: MessageOptions) -> None:
    r"""Group similar vectors.

    Vectors are compared by cosine. Clusters are numbered from the largest
    and shown by the texts nearest to their centre: a list on a terminal,
    JSON lines into a pipe. Needs scikit-learn:
    pip install "lexel\[cluster]".

    [dim]Ten clusters of embedded texts:[/]
    [bold]lexel cluster news-vectors -k 10[/]

    [dim]Near-duplicates, each text with its cluster:[/]
    [bold]lexel cluster news-vectors --threshold 0.95 --out groups.jsonl[/]
    """
    with reported(messages):
        from lexel.data.vectors import open_vectors
        from lexel.errors import OptionError
        from lexel.tasks.cluster import cluster_vectors

        vectors = open_vectors(place)
        try:
            clusters = cluster_vectors(
                vectors.values, n_clusters=options.clusters, threshold=options.threshold, seed=options.seed
            )
        except OptionError as error:
            raise OptionError(f"{place}: {error}") from error
        if options.out is not None:
            _write(vectors, clusters, options.out)
        _show(vectors, clusters, n_shown=options.show)
        note(f"{len(vectors.values):,} vectors in {len(clusters):,} clusters")


def _show(vectors: Vectors, clusters: Sequence[Cluster], *, n_shown: int) -> None:
    shown = {cluster.number: cluster.rows[:n_shown].tolist() for cluster in clusters}
    records = vectors.records(row for rows in shown.values() for row in rows)
    if is_terminal(sys.stdout):
        _draw(clusters, shown, records)
        return
    from lexel.data.jsonl import json_line

    for cluster in clusters:
        texts = [records[row].to_json() for row in shown[cluster.number]]
        print(json_line({"cluster": cluster.number, "size": len(cluster.rows), "texts": texts}), end="")


def _draw(clusters: Sequence[Cluster], shown: dict[int, list[int]], records: dict[int, VectorRecord]) -> None:
    from rich.table import Table
    from rich.text import Text

    from lexel.cli.terminal.console import output_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cluster", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("nearest to the middle", no_wrap=True, overflow="ellipsis")
    for cluster in clusters:
        first, *others = [records[row].text for row in shown[cluster.number]] or [""]
        table.add_row(str(cluster.number), f"{len(cluster.rows):,}", Text(first))
        for text in others:
            table.add_row("", "", Text(text))
    output_console().print(table)


def _write(vectors: Vectors, clusters: Sequence[Cluster], out: str) -> None:
    """Each text with its cluster, in the order of the rows."""
    import numpy as np

    from lexel.data.files import open_output
    from lexel.data.jsonl import json_line

    number_of = np.zeros(len(vectors.values), np.int64)
    for cluster in clusters:
        number_of[cluster.rows] = cluster.number
    records = vectors.records(range(len(number_of)))
    with open_output(out) as output:
        for row, number in enumerate(number_of.tolist()):
            output.write(json_line({**records[row].to_json(), "cluster": number}))

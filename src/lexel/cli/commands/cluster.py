"""``lexel cluster``: groups of vectors that are near each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lexel.cli.options.groups import MessageOptions, grouped, option
from lexel.cli.terminal.messages import is_terminal, note, reported

if TYPE_CHECKING:
    from lexel.data.vectors import VectorRecord, Vectors
    from lexel.tasks.slot_positions import Floats, Ints

_CLUSTER = "Clusters"
MOST_PAIRWISE = 20_000
"""Most vectors that --threshold takes: their distances to each other are all kept, 4 bytes each."""

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


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster: its rows, those nearest to its middle first."""

    number: int
    rows: Ints


@grouped
def cluster(*, place: Place, options: ClusterOptions, messages: MessageOptions) -> None:
    r"""Group vectors that are near each other.

    Vectors are compared by their angle. Clusters are numbered from the
    largest on, and shown by the texts nearest to their middle: a list on
    a terminal, JSON lines into a pipe. Needs scikit-learn:
    pip install "lexel\[cluster]".

    [dim]Ten clusters of embedded texts:[/]
    [bold]lexel cluster news-vectors -k 10[/]

    [dim]Near-duplicates, each text with its cluster:[/]
    [bold]lexel cluster news-vectors --threshold 0.95 --out groups.jsonl[/]
    """
    with reported(messages):
        from lexel.data.vectors import open_vectors

        vectors = open_vectors(place)
        labels = assign(vectors.values, options, where=place)
        clusters = list(_by_size(vectors.values, labels))
        if options.out is not None:
            _write(vectors, clusters, options.out)
        _show(vectors, clusters, n_shown=options.show)
        note(f"{len(labels):,} vectors in {len(clusters):,} clusters")


def assign(values: Floats, options: ClusterOptions, *, where: str) -> Ints:
    """The cluster of each vector, ``[rows]``.

    Raises:
        OptionError: If it is not said which clusters to make, or there are too few or too many vectors.
        MissingExtra: If scikit-learn is not installed.
    """
    from lexel.errors import MissingExtra, OptionError

    if (options.clusters is None) == (options.threshold is None):
        raise OptionError("expected one of --clusters N and --threshold C")
    if options.clusters is not None and options.clusters > len(values):
        raise OptionError(
            f"{where}: {len(values):,} vectors, --clusters is {options.clusters:,}; expected at most as many"
        )
    if options.threshold is not None and len(values) > MOST_PAIRWISE:
        raise OptionError(
            f"{where}: {len(values):,} vectors; --threshold compares all pairs and takes at most {MOST_PAIRWISE:,}. "
            "Use --clusters"
        )
    try:
        from sklearn.cluster import AgglomerativeClustering, KMeans
    except ImportError as error:
        raise MissingExtra('clustering needs scikit-learn: pip install "lexel[cluster]"') from error
    import numpy as np

    from lexel.tasks.pooling import normalise

    if len(values) < 2:
        return np.zeros(len(values), np.int64)
    unit = normalise(np.asarray(values))
    if options.clusters is not None:
        model: Any = KMeans(options.clusters, n_init=4, random_state=options.seed)
    else:
        distance = 1 - float(options.threshold or 0)
        model = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=distance)
    return np.asarray(model.fit_predict(unit), np.int64)


def _by_size(values: Floats, labels: Ints) -> Iterator[Cluster]:
    """The clusters, the largest first; of equals the one that has the first row."""
    import numpy as np

    from lexel.tasks.pooling import normalise

    _, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    by_label = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    for number, index in enumerate(order.tolist(), 1):
        rows = by_label[index]
        unit = normalise(np.asarray(values[rows]))
        yield Cluster(number, rows[np.argsort(-(unit @ unit.mean(axis=0)), kind="stable")])


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

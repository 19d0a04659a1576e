"""Searches texts: loads the vectors, embeds the queries, and prints the results."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from lexel.cli.jobs.records import Inputs, find_inputs
from lexel.cli.options.embed import VectorOptions
from lexel.cli.options.groups import EncoderOptions, InputOptions
from lexel.cli.options.search import IndexName
from lexel.cli.terminal.messages import is_terminal, note, say_losses
from lexel.cli.terminal.progress import InputFiles, show_count
from lexel.data import Faults, Losses
from lexel.data.jsonl import json_line
from lexel.data.vectors import VectorRecord, Vectors, holds_vectors, open_vectors
from lexel.errors import DataError, MissingExtra, OptionError
from lexel.tasks.embed import Embedder
from lexel.tasks.hnsw import TOP_K, WORTH_ROWS, HnswIndex, build_index, load_index
from lexel.tasks.search import Metric, find_nearest
from lexel.tasks.slot_positions import Floats
from lexel.tasks.stored_vectors import check_same, embed_texts


@dataclass(frozen=True, slots=True)
class Corpus:
    """The searched data: vectors from a file, or texts that are embedded first."""

    place: str
    stored: Vectors | None
    inputs: Inputs | None

    @classmethod
    def open(cls, place: str, input: InputOptions) -> Corpus:
        """Check the data to be searched, before a model is loaded.

        Raises:
            DataError: If it does not exist, or cannot be read.
        """
        if holds_vectors(place):
            return cls(place, open_vectors(place), None)
        return cls(place, None, find_inputs([place], input))

    def settle(self, model: EncoderOptions, vectors: VectorOptions) -> tuple[EncoderOptions, VectorOptions]:
        """The options of the queries' model; for stored vectors, those that made them.

        Raises:
            OptionError: If the command line has other ones.
        """
        if self.stored is None:
            return model, vectors
        made = self.stored.made
        if vectors != VectorOptions():
            raise OptionError(
                f"{self.place}: says how its vectors were made ({made['pooling']}); leave options for it out"
            )
        known = {field.name: made["options"][field.name] for field in fields(VectorOptions)}
        model = replace(model, model=model.model or made["model"], pieces=model.pieces or made["pieces"])
        return model, VectorOptions(**known)

    def script(self, asked: str) -> str:
        """The script that the model reads; for stored vectors, the one that was used."""
        return asked if self.stored is None else str(self.stored.made.get("script", "as-is"))

    def embedded(self, embedder: Embedder) -> tuple[Floats, Mapping[int, VectorRecord] | None]:
        """The vectors to search, and their items, if these are known already.

        Raises:
            DataError: If stored vectors do not match the embedder.
        """
        if self.stored is not None:
            check_same(self.stored.made, embedder, where=self.stored.path)
            return self.stored.values, None
        assert self.inputs is not None
        faults = Faults(self.inputs.options.on_error)
        records = self.inputs.read(InputFiles(self.inputs.places), Losses(), faults)
        batches = list(embed_texts(embedder, (record.document for record in records)))
        say_losses((), faults)
        embedded = [record for some, _ in batches for record in some]
        arrays = [vectors for _, vectors in batches] or [np.empty((0, embedder.plan.size), np.float32)]
        return np.concatenate(arrays), dict(enumerate(embedded))

    @property
    def is_normalised(self) -> bool:
        """Whether the stored vectors are known to have length 1."""
        return self.stored is not None and bool(self.stored.made.get("normalised"))


def read_queries(given: Sequence[str], file: str | None, input: InputOptions) -> list[str]:
    """The texts to search for.

    Raises:
        DataError: If there are none, or one is blank.
    """
    queries = list(given)
    if file is not None:
        inputs = find_inputs([file], replace(input, from_=None))
        records = inputs.read(InputFiles([file]), Losses(), Faults())  # leaving out a query would not answer it
        queries += [record.document.text for record in records]
    if not queries:
        raise OptionError("no query; expected --query TEXT or --queries FILE")
    for number, query in enumerate(queries, 1):
        if not query.strip():
            raise OptionError(f"query {number} is empty; expected a text to look for")
    return queries


@dataclass(frozen=True, slots=True)
class Found:
    """A text that was found."""

    row: int
    score: float
    record: VectorRecord


def search_corpus(
    corpus: Corpus,
    embedder: Embedder,
    asker: Embedder,
    queries: Sequence[str],
    *,
    top_k: int,
    metric: Metric,
    index: IndexName | None = None,
) -> list[list[Found]]:
    """The items nearest to each query, best first.

    Args:
        corpus: The data to search.
        embedder: The embedder of its texts.
        asker: The embedder of the queries: the same, with its own prompt.
        queries: The texts to search for.
        top_k: Number of results for each.
        metric: How vectors are compared.
        index: Whether to compare with every vector, or to use a graph.
    """
    vectors, records = corpus.embedded(embedder)
    asked = asker.encode(queries)
    graph = _graph_for(corpus, vectors, metric=metric, index=index)
    if graph is None:
        nearest = find_nearest(vectors, asked, top_k=top_k, metric=metric, is_normalised=corpus.is_normalised)
    else:
        nearest = graph.find_nearest(asked, top_k=top_k)
    if records is None and corpus.stored is not None:
        records = corpus.stored.records(np.unique(nearest.rows).tolist())
    known = records or {}
    return [
        [Found(row, score, known[row]) for row, score in zip(rows, scores, strict=True)]
        for rows, scores in zip(nearest.rows.tolist(), nearest.scores.tolist(), strict=True)
    ]


def _graph_for(corpus: Corpus, vectors: Floats, *, metric: Metric, index: IndexName | None) -> HnswIndex | None:
    """The graph to use; ``None`` to compare with every vector.

    Raises:
        DataError: If a graph is requested, and the vectors are not in a folder.
    """
    if index == "exact" or (index is None and (len(vectors) < WORTH_ROWS or corpus.stored is None)):
        return None
    if corpus.stored is None:
        raise OptionError(f"{corpus.place}: --index hnsw is for stored vectors; write them with lexel embed first")
    try:
        if graph := load_index(corpus.stored, metric=metric):
            return graph
        note(f"{corpus.place}: building a graph over {len(vectors):,} vectors, once")
        with show_count(len(vectors), what="vectors") as watch:
            graph = build_index(corpus.stored, metric=metric, watch=watch)
    except (MissingExtra, DataError) as error:
        if index is not None:
            raise
        note(f"comparing with all {len(vectors):,} vectors; {error}")
        return None
    note(f"the graph finds {graph.recall:.1%} of the {TOP_K} nearest")
    return graph


def show_found(queries: Sequence[str], found: Iterable[Sequence[Found]]) -> None:
    """Print the results: a list on a terminal, JSON lines elsewhere."""
    if is_terminal(sys.stdout):
        _draw(queries, found)
        return
    for query, results in zip(queries, found, strict=True):
        nearest = [{"row": one.row, "score": round(one.score, 6), **one.record.to_json()} for one in results]
        print(json_line({"query": query, "nearest": nearest}), end="")


def _draw(queries: Sequence[str], found: Iterable[Sequence[Found]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from lexel.cli.terminal.console import output_console

    console = output_console()
    for query, results in zip(queries, found, strict=True):
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(justify="right", style="cyan", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for one in results:
            label = f"  {one.record.label}" if one.record.label else ""
            table.add_row(f"{one.score:.3f}", Text(f"{one.record.text}{label}"))
        console.print(Text(query, style="bold"))
        console.print(table)

"""``lexel search``: what among many texts is nearest to a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from lexel.cli.commands.embed import Prompt, VectorOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    EncoderOptions,
    InputOptions,
    MessageOptions,
    Script,
    choices,
    grouped,
    option,
)
from lexel.cli.terminal.messages import note, reported

_SEARCH = "Search"

MetricName = Literal["cosine", "dot"]
Place = Annotated[
    str, typer.Argument(metavar="VECTORS", help="What lexel embed wrote (a folder, .parquet), or a file of texts.")
]


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What is looked for."""

    query: Annotated[
        list[str] | None, option("--query", panel=_SEARCH, value="TEXT", help="A text; again for more of them.")
    ] = None
    queries: Annotated[
        str | None, option("--queries", panel=_SEARCH, value="FILE", help="Texts, one a record; - is standard input.")
    ] = None
    top_k: Annotated[
        int, option("--top-k", "-k", panel=_SEARCH, value="N", min=1, help="How many to show; 10 if not given.")
    ] = 10
    metric: Annotated[
        MetricName,
        option("--metric", panel=_SEARCH, value="NAME", help=f"{choices(MetricName)}; cosine if not given."),
    ] = "cosine"


@grouped
def search(
    *,
    place: Place,
    asked: QueryOptions,
    model: EncoderOptions,
    vectors: VectorOptions,
    prompt: Prompt = None,
    script: Script = "as-is",
    input: InputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Find the texts nearest to a query.

    VECTORS is what lexel embed wrote; queries are embedded by the same
    model in the same way. A file of texts is embedded first. The search
    is exact. On a terminal a list, into a pipe JSON lines.

    [dim]Among embedded texts:[/]
    [bold]lexel search news-vectors --query "the weather tomorrow"[/]

    [dim]How like a sentence some others are:[/]
    [bold]lexel search sentences.txt --query "今天天气很好。"[/]
    """
    with reported(messages):
        from lexel.cli.jobs.embedding import load_embedder
        from lexel.cli.jobs.searching import Corpus, read_queries, search_corpus, show_found

        corpus = Corpus.open(place, input)
        queries = read_queries(asked.query or (), asked.queries, input)
        model, vectors = corpus.settle(model, vectors)
        reads = corpus.script(script)
        embedder = load_embedder(model, vectors, prompt=None, script=reads, compute=compute, messages=messages)
        if prompt is None and "query" in embedder.plan.prompts:
            prompt = "query"
            note(f"queries get the model's prompt for them, {embedder.plan.prompts['query']!r}; --prompt '' for none")
        asker = embedder if prompt is None else embedder.with_prompt(prompt)
        found = search_corpus(corpus, embedder, asker, queries, top_k=asked.top_k, metric=asked.metric)
        show_found(queries, found)

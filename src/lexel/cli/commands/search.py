"""``lexel search``: find the texts nearest to a query."""

from __future__ import annotations

from lexel.cli.options.embed import Prompt, VectorOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    EncoderOptions,
    MessageOptions,
    PlainInputOptions,
    Script,
    grouped,
)
from lexel.cli.options.search import Place, QueryOptions
from lexel.cli.terminal.messages import note, reported


@grouped
def search(
    *,
    place: Place,
    asked: QueryOptions,
    model: EncoderOptions,
    vectors: VectorOptions,
    prompt: Prompt = None,
    script: Script = "as-is",
    input: PlainInputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Find the texts nearest to a query.

    VECTORS is the output of lexel embed; queries are embedded by the same
    model in the same way. A file of texts is embedded first. The search is
    exact below a million vectors; --index changes this. Prints a list on a
    terminal, and JSON lines into a pipe.

    [dim]Search embedded texts:[/]
    [bold]lexel search news-vectors --query "the weather tomorrow"[/]

    [dim]Compare sentences with a query:[/]
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
        asker = embedder if prompt is None else embedder.with_options(prompt=prompt)
        found = search_corpus(
            corpus, embedder, asker, queries, top_k=asked.top_k, metric=asked.metric, index=asked.index
        )
        show_found(queries, found)

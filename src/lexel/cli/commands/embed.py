"""``lexel embed``: vectors of texts, words or entities."""

from __future__ import annotations

from lexel.cli.options.embed import Prompt, VectorOptions, VectorOutputOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    EncoderOptions,
    Files,
    InputOptions,
    MessageOptions,
    Script,
    grouped,
)
from lexel.cli.terminal.messages import note, reported


@grouped
def embed(
    *,
    files: Files = None,
    model: EncoderOptions,
    vectors: VectorOptions,
    prompt: Prompt = None,
    script: Script = "as-is",
    input: InputOptions,
    output: VectorOutputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Make a vector of each text.

    With any encoder, and as sentence-transformers does with its own
    folders. Long texts are read to their end. Into a pipe go JSON lines;
    a name without an ending is a folder with vectors.npy and the texts,
    for lexel search and lexel cluster.

    [dim]A file, to be searched:[/]
    [bold]lexel embed news.txt --out news-vectors[/]

    [dim]With a sentence encoder of the hub, as Parquet:[/]
    [bold]lexel embed -m BAAI/bge-small-zh-v1.5 news.txt -o news.parquet[/]

    [dim]A vector for each entity:[/]
    [bold]lexel tag news.txt | lexel embed --from jsonl --per entity -o names[/]
    """
    with reported(messages):
        from lexel.cli.jobs.embedding import load_embedder, plan_embedding

        job = plan_embedding(files, input, output=output)
        embedder = load_embedder(model, vectors, prompt=prompt, script=script, compute=compute, messages=messages)
        n = job.run(embedder, is_quiet=messages.quiet)
        if output.out not in (None, "-"):
            note(f"{output.out}: {n:,} vectors of {embedder.plan.size} numbers")

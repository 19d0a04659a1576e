"""``lexel embed``: compute vectors of texts, words or entities."""

from __future__ import annotations

from lexel.cli.options.embed import Prompt, VectorOptions, VectorOutputOptions
from lexel.cli.options.groups import (
    ComputeOptions,
    EncoderOptions,
    Files,
    MessageOptions,
    PlainInputOptions,
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
    input: PlainInputOptions,
    output: VectorOutputOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Compute a vector for each text.

    Works with any encoder, and with sentence-transformers folders as that
    library does. Long texts are read to the end. Pipes get JSON lines. An
    output name without an ending is a folder with vectors.npy and the
    texts, for lexel search and lexel cluster.

    [dim]A file, for searching:[/]
    [bold]lexel embed news.txt --out news-vectors[/]

    [dim]With a sentence encoder from the hub, as Parquet:[/]
    [bold]lexel embed -m BAAI/bge-small-zh-v1.5 news.txt -o news.parquet[/]

    [dim]One vector per entity:[/]
    [bold]lexel tag news.txt | lexel embed --from jsonl --per entity -o names[/]
    """
    with reported(messages):
        from lexel.cli.jobs.embedding import load_embedder, plan_embedding

        job = plan_embedding(files, input, output=output)
        embedder = load_embedder(model, vectors, prompt=prompt, script=script, compute=compute, messages=messages)
        n = job.run(embedder, is_quiet=messages.quiet)
        if output.out not in (None, "-"):
            note(f"{output.out}: {n:,} vectors of {embedder.plan.size} numbers")

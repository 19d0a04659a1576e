"""``lexel embed``: vectors of texts, words or entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    ComputeOptions,
    EncoderOptions,
    Files,
    InputOptions,
    MessageOptions,
    Script,
    choices,
    format_option,
    grouped,
    option,
)
from lexel.cli.terminal.messages import note, reported

_VECTORS, _OUTPUT = "Vectors", "Output"

PartName = Literal["text", "word", "entity"]
VectorFormatName = Literal["npy", "parquet", "jsonl"]


@dataclass(frozen=True, slots=True)
class VectorOptions:
    """How a vector is made; what is not said is as the model's files say."""

    pooling: Annotated[
        str | None,
        option(
            "--pooling",
            panel=_VECTORS,
            value="WAY",
            help="mean, cls, max, last-4 (layers), learned; if not given as the model's files say, else mean.",
        ),
    ] = None
    layer: Annotated[
        int, option("--layer", panel=_VECTORS, value="N", help="Hidden layer: -1, the last, if not given; 0: input.")
    ] = -1
    normalise: Annotated[
        bool | None,
        option("--normalise/--no-normalise", panel=_VECTORS, help="Vectors of length 1; else as the files say."),
    ] = None
    dimensions: Annotated[
        int | None,
        option("--dimensions", panel=_VECTORS, value="N", min=1, help="Keep the first N numbers of a vector."),
    ] = None


Prompt = Annotated[
    str | None,
    option(
        "--prompt", panel=_VECTORS, value="TEXT", help="What goes before each text, or the name of a prompt it has."
    ),
]


@dataclass(frozen=True, slots=True)
class VectorOutputOptions:
    """Of what vectors are made, and where they go."""

    per: Annotated[
        PartName,
        option(
            "--per",
            panel=_VECTORS,
            value="PART",
            help=f"{choices(PartName)}: a vector for each; parts are those of the input (lexel tag finds them).",
        ),
    ] = "text"
    to: Annotated[
        VectorFormatName | None,
        format_option(VectorFormatName, otherwise="by the ending of --out, a folder for NumPy if none"),
    ] = None
    out: Annotated[
        str | None,
        option("--out", "-o", panel=_OUTPUT, value="NAME", help="Write here; it appears when it is whole."),
    ] = None


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

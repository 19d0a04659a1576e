"""Embeds texts from files; input and output are streamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from lexel.cli.jobs.loading import load_reader
from lexel.cli.jobs.records import Inputs, find_inputs
from lexel.cli.jobs.results import Route, goes_to_terminal
from lexel.cli.options.embed import PartName, VectorOptions, VectorOutputOptions
from lexel.cli.options.groups import ComputeOptions, EncoderOptions, InputOptions, MessageOptions
from lexel.cli.terminal.messages import say_losses
from lexel.cli.terminal.progress import InputFiles
from lexel.data import Faults, Losses
from lexel.data.vectors import VectorFormat, vector_format, write_vectors
from lexel.errors import DataError
from lexel.tasks.embed import Embedder
from lexel.tasks.stored_vectors import describe_vectors, embed_parts, embed_texts


def load_embedder(
    model: EncoderOptions,
    vectors: VectorOptions,
    *,
    prompt: str | None,
    script: str,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> Embedder:
    """Load the embedder that the options name."""
    options = asdict(vectors) | {"prompt": prompt, "script": script}
    return load_reader(Embedder.load, model, compute=compute, messages=messages, **options)


def plan_embedding(files: Sequence[str] | None, input: InputOptions, *, output: VectorOutputOptions) -> EmbeddingJob:
    """Choose formats and check the files before a model is loaded.

    Raises:
        DataError: If a file does not exist, or the output's ending names no format.
    """
    place = output.out or "-"
    format = output.to or vector_format(place)
    if format in ("npy", "lancedb") and place == "-":
        raise DataError(f"<stdout>: {format} is a folder; give its name with --out")
    if format == "parquet" and goes_to_terminal(place):
        raise DataError("<stdout>: parquet is not for terminals; add --out FILE")
    return EmbeddingJob(find_inputs(files, input, out=output.out), place, format, output.per)


@dataclass(frozen=True, slots=True)
class EmbeddingJob:
    """Texts to embed, and the output of the vectors."""

    inputs: Inputs
    out: str
    format: VectorFormat
    per: PartName

    def run(self, embedder: Embedder, *, is_quiet: bool) -> int:
        """Embed all texts and write the vectors; returns their number."""
        files, losses = InputFiles(self.inputs.places), Losses()
        faults = Faults(self.inputs.options.on_error)
        route = Route(self.inputs.places, self.out, by_line=False)
        made = describe_vectors(embedder, of=self.per)
        with route.in_sight(files, is_quiet=is_quiet) as watched:
            records = watched(record.document for record in self.inputs.read(files, losses, faults))
            if self.per == "text":
                batches = embed_texts(embedder, records)
            else:
                batches = embed_parts(embedder, records, part=self.per)
            n = write_vectors(batches, self.out, dims=made["dimensions"], made=made, format=self.format)
        say_losses(losses, faults)
        return n

"""What commands about vectors share: an embedder from options, records from files, and how vectors were made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lexel
from lexel.checkpoint.source import BUNDLED, bundled_folder
from lexel.cli.commands.embed import VectorOptions, VectorOutputOptions
from lexel.cli.jobs.loading import load_reader
from lexel.cli.jobs.records import Inputs, find_inputs
from lexel.cli.jobs.results import Route, goes_to_terminal
from lexel.cli.options.groups import ComputeOptions, EncoderOptions, InputOptions, MessageOptions
from lexel.cli.terminal.messages import say_losses
from lexel.cli.terminal.progress import InputFiles
from lexel.data import Losses
from lexel.data.vectors import Batch, VectorFormat, VectorRecord, vector_format, write_vectors
from lexel.document import Document
from lexel.errors import DataError
from lexel.evaluation.scores.provenance import weight_checksums
from lexel.tasks.embed import Embedder, Part

FORMAT = 1
"""The version of what ``made_by`` says."""


def load_embedder(
    model: EncoderOptions,
    vectors: VectorOptions,
    *,
    prompt: str | None,
    script: str,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> Embedder:
    """The embedder that the options ask for."""
    options = asdict(vectors) | {"prompt": prompt, "script": script}
    return load_reader(Embedder.load, model, compute=compute, messages=messages, **options)


def made_by(embedder: Embedder, *, of: str = "text") -> dict[str, Any]:
    """How an embedder makes vectors, as it is written beside them."""
    checkpoint, plan = embedder.flow.checkpoint, embedder.plan
    source = checkpoint.source
    bundled = BUNDLED if source.folder == bundled_folder() else None
    return {
        "format": FORMAT,
        "of": of,
        "model": source.pin or source.repo_id or bundled or str(source.folder.resolve()),
        "weights": weight_checksums(checkpoint),
        "pieces": checkpoint.pieces,
        "pooling": plan.said,
        "options": asdict(embedder.options),
        "dimensions": plan.size,
        "normalised": plan.is_normalised,
        "prompt": plan.prompt,
        "script": embedder.flow.script,
        "precision": embedder.flow.engine.precision,
        "lexel": lexel.__version__,
    }


def plan_embedding(files: Sequence[str] | None, input: InputOptions, *, output: VectorOutputOptions) -> EmbeddingJob:
    """Settle formats and look at the files, so that what is wrong is said before a model is loaded.

    Raises:
        DataError: If a file cannot be there, or the output's ending says nothing.
    """
    place = output.out or "-"
    format = output.to or vector_format(place)
    if format == "npy" and place == "-":
        raise DataError("<stdout>: npy is a folder; give its name with --out")
    if format == "parquet" and goes_to_terminal(place):
        raise DataError("<stdout>: parquet is not for terminals; add --out FILE")
    return EmbeddingJob(find_inputs(files, input), place, format, output.per)


@dataclass(frozen=True, slots=True)
class EmbeddingJob:
    """What is embedded, and where it goes."""

    inputs: Inputs
    out: str
    format: VectorFormat
    per: str

    def run(self, embedder: Embedder, *, is_quiet: bool) -> int:
        """Embed everything and write it; gives the number of vectors."""
        files, losses = InputFiles(self.inputs.places), Losses()
        route = Route(self.inputs.places, self.out, by_line=False)
        with route.in_sight(files, is_quiet=is_quiet) as watched:
            records = watched(record.document for record in self.inputs.read(files, losses))
            batches = embed_texts(embedder, records) if self.per == "text" else embed_parts(embedder, records, self.per)
            dims = embedder.plan.size if self.per == "text" else embedder.part_size
            made = made_by(embedder, of=self.per) | {"dimensions": dims}
            n = write_vectors(batches, self.out, dims=dims, made=made, format=self.format)
        say_losses(losses)
        return n


def embed_texts(embedder: Embedder, documents: Iterable[Document]) -> Iterator[Batch]:
    """A vector for each document."""
    waiting: deque[VectorRecord] = deque()

    def texts() -> Iterator[str]:
        for document in documents:
            waiting.append(VectorRecord(document.id, document.text))
            yield document.text

    for block in embedder.stream_blocks(texts()):
        yield [waiting.popleft() for _ in block.vectors], block.vectors


def embed_parts(embedder: Embedder, documents: Iterable[Document], per: str) -> Iterator[Batch]:
    """A vector for each word or entity of documents."""
    part: Part = "word" if per == "word" else "entity"
    waiting: deque[tuple[int, Document]] = deque()

    def noted() -> Iterator[Document]:
        for number, document in enumerate(documents, 1):
            waiting.append((number, document))
            yield document

    for vectors in embedder.stream_parts(noted(), part=part):
        records = list(_records_of(*waiting.popleft(), part))
        if records:
            yield records, vectors


def _records_of(number: int, document: Document, part: Part) -> Iterator[VectorRecord]:
    """What a document's vectors are of; a document without a name is called by its number."""
    name = str(number) if document.id is None else document.id
    if part == "word":
        for word in document.words:
            yield VectorRecord(name, word.text, word.start, word.end, word.pos)
    else:
        for span in document.entities:
            yield VectorRecord(name, span.text, span.start, span.end, span.label)


def check_same(made: Mapping[str, Any], embedder: Embedder, *, where: Path) -> None:
    """Make sure that a query's vectors and those of a file are of one kind.

    Raises:
        DataError: If they are of another model, or of another width.
    """
    mine = made_by(embedder)
    if made.get("weights") != mine["weights"]:
        raise DataError(
            f"{where}: made with {made.get('model')} ({_short(made.get('weights'))}), the query's model is "
            f"{mine['model']} ({_short(mine['weights'])}); expected the same. Give it with --model, or embed again"
        )
    if made.get("dimensions") != mine["dimensions"]:
        raise DataError(
            f"{where}: vectors of {made.get('dimensions')} numbers, the query's has {mine['dimensions']}; expected the "
            "same. Embed again"
        )


def _short(weights: Any) -> str:
    """The beginning of the checksums of a model's weights."""
    sums = weights.values() if isinstance(weights, Mapping) else ()
    return ", ".join(f"sha256 {value[:12]}" for value in sums) or "no checksum"

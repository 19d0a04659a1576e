"""Vectors on disk: computed from streams of documents, and described so that queries are embedded in the same way.

embedder = Embedder.load("BAAI/bge-small-zh-v1.5")
write_vectors(embed_texts(embedder, documents), "news", dims=embedder.plan.size, made=describe_vectors(embedder))
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lexel.checkpoint.source import bundled_name
from lexel.checkpoint.weights import weight_checksums
from lexel.data.vectors import Batch, VectorRecord
from lexel.document import Document
from lexel.errors import DataError
from lexel.tasks.embed import Embedder, Part

FORMAT = 1
"""Version of the description."""


def describe_vectors(embedder: Embedder, *, of: str = "text") -> dict[str, Any]:
    """The description of an embedder that is stored next to its vectors.

    Args:
        embedder: The embedder.
        of: The unit of each vector: ``text``, ``word`` or ``entity``.
    """
    checkpoint, plan = embedder.flow.checkpoint, embedder.plan
    source = checkpoint.source
    bundled = bundled_name(source.folder)
    return {
        "format": FORMAT,
        "of": of,
        "model": source.pin or source.repo_id or bundled or str(source.folder.resolve()),
        "weights": weight_checksums(source.folder),
        "pieces": checkpoint.pieces,
        "pooling": plan.said,
        "options": asdict(embedder.options),
        "dimensions": plan.size if of == "text" else embedder.part_size,
        "normalised": plan.is_normalised,
        "prompt": plan.prompt,
        "script": embedder.flow.script,
        "precision": embedder.flow.engine.precision,
        "lexel": version("lexel"),
    }


def check_same(made: Mapping[str, Any], embedder: Embedder, *, where: Path) -> None:
    """Check that stored vectors can be compared with those of an embedder.

    Args:
        made: The description of the stored vectors.
        embedder: The embedder of the queries.
        where: The place of the stored vectors, for the message.

    Raises:
        DataError: If they come from another model, or have another width.
    """
    mine = describe_vectors(embedder)
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
    """The first characters of the checksums of a model's weights."""
    sums = weights.values() if isinstance(weights, Mapping) else ()
    return ", ".join(f"sha256 {value[:12]}" for value in sums) or "no checksum"


def embed_texts(embedder: Embedder, documents: Iterable[Document]) -> Iterator[Batch]:
    """A vector for each document, in batches, lazily."""
    waiting: deque[VectorRecord] = deque()

    def texts() -> Iterator[str]:
        for document in documents:
            waiting.append(VectorRecord(document.id, document.text))
            yield document.text

    for block in embedder.stream_blocks(texts()):
        yield [waiting.popleft() for _ in block.vectors], block.vectors


def embed_parts(embedder: Embedder, documents: Iterable[Document], *, part: Part) -> Iterator[Batch]:
    """A vector for each word or entity of the documents, lazily."""
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
    """The items that a document's vectors belong to; a document without an id gets its number."""
    name = str(number) if document.id is None else document.id
    if part == "word":
        for word in document.words:
            yield VectorRecord(name, word.text, word.start, word.end, word.pos)
    else:
        for span in document.entities:
            yield VectorRecord(name, span.text, span.start, span.end, span.label)

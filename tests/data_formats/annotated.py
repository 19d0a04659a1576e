"""Writing to and reading from the formats of corpora and tools, for their tests."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Any

import pytest

from lexel.data import FORMATS, Losses
from lexel.document import Document, Spans, Words

needs_spacy = pytest.mark.skipif(find_spec("spacy") is None, reason="needs spaCy")
SIGNS = "🦟 𠮷野家  在 北京😀"
EMOJI = Document(
    SIGNS,
    Words.of(SIGNS, [(0, 1), (2, 5), (7, 8), (9, 11), (11, 12)], ["SYM", "PROPN", "ADP", "PROPN", "SYM"]),
    Spans.of(SIGNS, [(0, 5, "ORG"), (9, 12, "LOC")]),
    id="s1",
)


def written(name: str, *given_documents: Document, **options: Any) -> bytes:
    stream = io.BytesIO()
    writer: Any = FORMATS[name].writer
    writer(given_documents, stream, **options)
    return stream.getvalue()


def read(name: str, data: bytes | str, **options: Any) -> list[Document]:
    reader: Any = FORMATS[name].reader
    return list(reader(io.BytesIO(data.encode() if isinstance(data, str) else data), **options))


def losses_of(name: str, *given_documents: Document, **options: Any) -> list[str]:
    writer: Any = FORMATS[name].writer
    return [str(loss) for loss in writer(given_documents, io.BytesIO(), **options)]


def losses_in(name: str, data: bytes | str) -> list[str]:
    losses = Losses()
    read(name, data, losses=losses)
    return [str(loss) for loss in losses]


def labelled(spans: Spans) -> list[tuple[str, str]]:
    return [(span.text, span.label) for span in spans]


def with_name(document: Document) -> Document:
    return Document(document.text, None, document.entities, id=document.id or "00000001")

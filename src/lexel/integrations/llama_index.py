"""LlamaIndex: embeddings, and a splitter at sentences and words.

    index = VectorStoreIndex.from_documents(
        documents, embed_model=LexelEmbedding("BAAI/bge-small-zh-v1.5"), transformations=[LexelSplitter(chunk_size=300)]
    )

Needs llama-index-core: ``pip install "lexel[llama-index]"``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.node_parser import TextSplitter

from lexel.integrations.readers import query_embedder, ready_embedder, ready_tagger
from lexel.tasks.embed import Embedder
from lexel.tasks.loading import Source
from lexel.tasks.tag import Tagger
from lexel.text.chunks import plan_chunks


class LexelEmbedding(BaseEmbedding):  # type: ignore[misc]
    """Vectors of nodes and queries; queries use the model's own query prompt, if it has one.

    Args:
        model: A model folder, a hub id, or a loaded ``Embedder``.
        embed_batch_size: Number of texts that LlamaIndex passes at a time.
        options: Other arguments of ``Embedder.load``.
    """

    _embedder: Embedder = PrivateAttr()
    _asker: Embedder = PrivateAttr()

    def __init__(self, model: Source | Embedder | None = None, *, embed_batch_size: int = 256, **options: Any) -> None:
        embedder = ready_embedder(model, options)
        name = str(embedder.flow.checkpoint.source.folder)
        super().__init__(model_name=name, embed_batch_size=embed_batch_size)
        self._embedder = embedder
        self._asker = query_embedder(embedder)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex stores the class."""
        return "LexelEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._asker(query).vector.tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        vector: list[float] = self._embedder(text).vector.tolist()
        return vector

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._embedder.encode(texts).tolist()
        return vectors

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


class LexelSplitter(TextSplitter):  # type: ignore[misc]
    """Splits text into chunks of whole sentences; a sentence that is too long is split between words."""

    chunk_size: int = Field(default=500, gt=0, description="Most characters of a chunk.")
    chunk_overlap: int = Field(default=0, ge=0, description="Most characters repeated of the chunk before.")
    _words_of: Any = PrivateAttr()

    def __init__(self, *, tagger: Tagger | None = None, **fields: Any) -> None:
        """Take a tagger for sentences that are too long (default: the bundled one, loaded if needed), and fields."""
        super().__init__(**fields)
        self._words_of = ready_tagger(tagger)

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex stores the class."""
        return "LexelSplitter"

    def split_text(self, text: str) -> list[str]:
        """The chunks of a text."""
        plan = plan_chunks(text, size=self.chunk_size, overlap=self.chunk_overlap, words_of=self._words_of)
        return [text[start:end] for start, end in plan]

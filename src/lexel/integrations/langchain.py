"""LangChain: embeddings, and a text splitter at sentences and words.

    store = InMemoryVectorStore(LexelEmbeddings("BAAI/bge-small-zh-v1.5"))
    store.add_documents(LexelTextSplitter(chunk_size=300).split_documents(documents))

Needs langchain-core and langchain-text-splitters: ``pip install "lexel[langchain]"``.
"""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import TextSplitter

from lexel.integrations.readers import query_embedder, ready_embedder, ready_tagger
from lexel.tasks.embed import Embedder
from lexel.tasks.loading import Source
from lexel.tasks.tag import Tagger
from lexel.text.chunks import plan_chunks


class LexelEmbeddings(Embeddings):  # type: ignore[misc]
    """Vectors of documents and queries; queries use the model's own query prompt, if it has one.

    Args:
        model: A model folder, a hub id, or a loaded ``Embedder``.
        options: Other arguments of ``Embedder.load``.
    """

    def __init__(self, model: Source | Embedder | None = None, **options: Any) -> None:
        self.embedder: Embedder = ready_embedder(model, options)
        self._asker = query_embedder(self.embedder)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of texts."""
        vectors: list[list[float]] = self.embedder.encode(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        vector: list[float] = self._asker(text).vector.tolist()
        return vector


class LexelTextSplitter(TextSplitter):  # type: ignore[misc]
    """Splits text into chunks of whole sentences; a sentence that is too long is split between words.

    Args:
        chunk_size: Maximum number of characters in a chunk.
        chunk_overlap: Maximum number of characters that a chunk repeats from the previous one.
        tagger: Finds words in sentences that are too long; by default the bundled model, loaded if needed.
        options: Other arguments of ``TextSplitter``, such as ``add_start_index``.
    """

    def __init__(
        self, chunk_size: int = 500, chunk_overlap: int = 0, *, tagger: Tagger | None = None, **options: Any
    ) -> None:
        super().__init__(chunk_size=chunk_size, chunk_overlap=chunk_overlap, **options)
        self._words_of = ready_tagger(tagger)

    def split_text(self, text: str) -> list[str]:
        """The chunks of a text."""
        return [text[start:end] for start, end in self._plan(text)]

    def create_documents(self, texts: list[str], metadatas: list[dict[Any, Any]] | None = None) -> list[Document]:
        """The chunks of texts as documents; ``start_index`` is exact even if a text repeats itself."""
        documents = []
        for text, metadata in zip(texts, metadatas or [{}] * len(texts), strict=True):
            for start, end in self._plan(text):
                place = {"start_index": start} if self._add_start_index else {}
                documents.append(Document(page_content=text[start:end], metadata={**metadata, **place}))
        return documents

    def _plan(self, text: str) -> list[tuple[int, int]]:
        return plan_chunks(text, size=self._chunk_size, overlap=self._chunk_overlap, words_of=self._words_of)

"""LlamaIndex's indexes and node parsers."""

from __future__ import annotations

import asyncio

import numpy as np
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.node_parser import NodeParser

from lexel import Embedder
from lexel.integrations.llama_index import LexelEmbedding, LexelSplitter


def test_an_index_finds_a_document_by_itself(embedder: Embedder) -> None:
    model = LexelEmbedding(embedder.with_options(prompt=""))
    documents = [Document(text=text) for text in ("天下的我。", "the new york.")]
    index = VectorStoreIndex.from_documents(
        documents, embed_model=model, transformations=[LexelSplitter(chunk_size=20)]
    )
    found = index.as_retriever(similarity_top_k=1).retrieve("the new york.")
    assert [node.text for node in found] == ["the new york."]


def test_queries_get_the_models_prompt_for_them(embedder: Embedder) -> None:
    model = LexelEmbedding(embedder)
    np.testing.assert_array_equal(model.get_query_embedding("天下"), embedder("天下", prompt="query").vector)
    np.testing.assert_array_equal(model.get_text_embedding("天下"), embedder("天下").vector)


def test_vectors_can_be_awaited(embedder: Embedder) -> None:
    model = LexelEmbedding(embedder)

    async def read() -> list[list[float]]:
        return [await model.aget_query_embedding("天下"), *await model.aget_text_embedding_batch(["天下", "我"])]

    expected = [embedder("天下", prompt="query").vector, *embedder.encode(["天下", "我"])]
    np.testing.assert_array_equal(asyncio.run(read()), expected)


def test_nodes_are_whole_sentences_and_know_their_place() -> None:
    parser: NodeParser = LexelSplitter(chunk_size=8)
    text = "天氣很好。我去台北。他在北京。"
    nodes = parser.get_nodes_from_documents([Document(text=text)])
    assert [node.text for node in nodes] == ["天氣很好。", "我去台北。", "他在北京。"]
    assert [(node.start_char_idx, node.end_char_idx) for node in nodes] == [(0, 5), (5, 10), (10, 15)]


def test_a_splitter_says_its_settings() -> None:
    assert LexelSplitter(chunk_size=8, chunk_overlap=2).to_dict()["chunk_size"] == 8

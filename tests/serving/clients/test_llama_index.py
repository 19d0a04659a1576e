"""LlamaIndex's class for text-embeddings-inference against a live server."""

from __future__ import annotations

import asyncio

import pytest

from tests.serving.live import LiveServer

integration = pytest.importorskip(
    "llama_index.embeddings.text_embeddings_inference", reason="LlamaIndex's TEI class is not installed"
)
TEXTS = ["他在北京。", "天氣很好。"]


def test_texts_and_queries_have_vectors(server: LiveServer) -> None:
    embedding = integration.TextEmbeddingsInference(model_name="zh", base_url=server.url)
    vectors = embedding.get_text_embedding_batch(TEXTS)
    assert [len(vector) for vector in vectors] == [256, 256]
    query = embedding.get_query_embedding(TEXTS[0])
    assert sum(a * b for a, b in zip(query, vectors[0], strict=True)) == pytest.approx(1, abs=1e-2)


def test_it_works_in_an_event_loop(server: LiveServer) -> None:
    embedding = integration.TextEmbeddingsInference(model_name="zh", base_url=server.url)
    assert len(asyncio.run(embedding.aget_text_embedding(TEXTS[0]))) == 256

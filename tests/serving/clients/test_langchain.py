"""LangChain's class for OpenAI embeddings against a live server."""

from __future__ import annotations

import pytest

from tests.serving.live import LiveServer

integration = pytest.importorskip("langchain_openai", reason="LangChain's OpenAI class is not installed")
TEXTS = ["他在北京。", "天氣很好。"]


def test_texts_and_queries_have_vectors(server: LiveServer) -> None:
    embeddings = integration.OpenAIEmbeddings(
        model="zh", base_url=server.url + "/v1", api_key="none", check_embedding_ctx_length=False
    )
    vectors = embeddings.embed_documents(TEXTS)
    assert [len(vector) for vector in vectors] == [256, 256]
    assert embeddings.embed_query(TEXTS[0]) == pytest.approx(vectors[0], abs=0.05)

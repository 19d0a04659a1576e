"""OpenAI's own client against a live server."""

from __future__ import annotations

import openai
import pytest

from tests.serving.live import LiveServer


@pytest.fixture(scope="module")
def client(server: LiveServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def test_vectors_as_the_client_asks_for_them_which_is_base64(client: openai.OpenAI, server: LiveServer) -> None:
    found = client.embeddings.create(model="zh", input=["他在北京。", "天氣很好。"])
    (own,) = server.post("/v1/embed", {"text": "他在北京。", "model": "zh"})["results"]
    assert [one.index for one in found.data] == [0, 1]
    assert found.data[0].embedding == pytest.approx(own["vector"], abs=0.05)
    assert found.usage.total_tokens > 0


def test_vectors_as_numbers_and_shortened(client: openai.OpenAI) -> None:
    found = client.embeddings.create(model="zh", input="他在北京。", encoding_format="float", dimensions=8)
    assert len(found.data[0].embedding) == 8


def test_token_ids_are_refused_with_advice(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="check_embedding_ctx_length=False"):
        client.embeddings.create(model="zh", input=[[1, 2, 3]])


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["zh", "joint", "nli"]

"""The Open Inference Protocol, by tritonclient, which sends binary tensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.serving.live import Failed, LiveServer

httpclient = pytest.importorskip("tritonclient.http")
InferenceServerException = pytest.importorskip("tritonclient.utils").InferenceServerException


@pytest.mark.parametrize("is_binary", [True, False])
def test_texts_in_and_records_out(server: LiveServer, is_binary: bool) -> None:
    client = httpclient.InferenceServerClient(urlsplit(server.url).netloc)
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("zh")
        text = httpclient.InferInput("text", [2], "BYTES")
        text.set_data_from_numpy(np.array(["他在北京。".encode(), b"ok"], dtype=np.object_), binary_data=is_binary)
        asked = [httpclient.InferRequestedOutput("output", binary_data=is_binary)]
        records = [json.loads(one) for one in client.infer("zh", [text], outputs=asked).as_numpy("output")]
    finally:
        client.close()
    assert [record["text"] for record in records] == ["他在北京。", "ok"]
    assert records[0]["words"][0] == {**records[0]["words"][0], "start": 0, "end": 1, "text": "他"}


@pytest.fixture
def client(server: LiveServer) -> Iterator[Any]:
    """Triton's client."""
    client = httpclient.InferenceServerClient(urlsplit(server.url).netloc)
    yield client
    client.close()


def test_without_a_word_on_tensors_they_are_binary(client: Any) -> None:
    text = httpclient.InferInput("text", [1], "BYTES")
    text.set_data_from_numpy(np.array(["他在北京。"], dtype=np.object_))  # as Triton's examples do it
    result = client.infer("zh", [text], request_id="r1")
    assert json.loads(result.as_numpy("output")[0])["text"] == "他在北京。"
    assert result.get_response()["id"] == "r1"


def test_metadata_names_the_tensors(client: Any) -> None:
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.get_model_metadata("zh")["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


def test_an_unknown_model_is_an_error_of_the_client(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="this server has zh"):
        client.get_model_metadata("nobody")


def test_a_tensor_that_ends_too_early_is_refused(server: LiveServer) -> None:
    head = json.dumps(
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}}]}
    ).encode()
    with pytest.raises(Failed) as failed:
        server.post(
            "/v2/models/zh/infer", head + b"\x09\x00\x00\x00ab", {"Inference-Header-Content-Length": str(len(head))}
        )
    assert failed.value.status == 422
    assert "9 bytes" in failed.value.body["error"]

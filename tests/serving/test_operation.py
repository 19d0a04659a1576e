"""Keys, limits, draining and what operators see."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from benchmarks.serving_client import overload
from lexel.checkpoint.source import bundled_folder
from lexel.engines.choose import EngineOptions
from lexel.serving.models import ServedModel
from lexel.serving.options import ModelSpec
from tests.serving.live import Failed, LiveServer, serving

LONG = "他在北京，她在東京，昨天都下雨了。"


def test_health_and_readiness(server: LiveServer) -> None:
    assert server.get("/health") == {"status": "alive"}
    assert server.get("/ready") == {"status": "ready"}


def test_metrics_count_what_was_answered(server: LiveServer) -> None:
    server.post("/v1/tag", {"text": "好"})
    with urllib.request.urlopen(server.url + "/metrics") as answer:
        text = answer.read().decode()
    assert 'lexel_requests_total{route="/v1/tag",status="200"}' in text
    assert "te_queue_size" in text
    assert "lexel_batch_pieces_bucket" in text


def test_the_api_is_described(server: LiveServer) -> None:
    paths = server.get("/openapi.json")["paths"]
    assert {"/v1/tag", "/embed", "/v1/embeddings", "/v2/models/{name}/infer", "/analyze", "/ready"} <= set(paths)


def test_every_field_of_a_native_request_is_described(server: LiveServer) -> None:
    schemas = server.get("/openapi.json")["components"]["schemas"]
    native = {name: schema for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert {"TagRequest", "TagOptions", "EmbedOptions"} <= native.keys()
    fields = ((name, field, said) for name, schema in native.items() for field, said in schema["properties"].items())
    assert [(name, field) for name, field, said in fields if not said.keys() & {"description", "$ref"}] == []


def test_a_request_id_is_kept(server: LiveServer) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/v1/tag", {}, {"X-Request-Id": "abc-1"})
    assert failed.value.headers["x-request-id"] == "abc-1"


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tls-certificate", "no.pem"], "no.pem: no such file; expected a file in PEM form"),
        (["--tls-certificate", __file__], "no certificate with its key"),
        (["--api-key-file", "no.keys"], "no.keys: no such file; expected a file of API keys"),
    ],
)
def test_files_that_cannot_be_used_are_said_before_anything_is_loaded(
    options: list[str], said: str, workers: str
) -> None:
    command = [sys.executable, "-m", "lexel", "serve", "--port", "0", "--workers", workers, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_keys_are_demanded_and_read_again_on_sighup(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# ours\nfirst-key\n")
    with serving("--api-key-file", str(keys)) as server:
        assert status(server, None) == 401
        assert status(server, "wrong") == 401
        assert status(server, "first-key") == 200
        keys.write_text("second-key\n")
        server.process.send_signal(signal.SIGHUP)
        ends = time.monotonic() + 10
        while status(server, "second-key") != 200 and time.monotonic() < ends:
            time.sleep(0.05)
        assert status(server, "second-key") == 200
        assert status(server, "first-key") == 401
        assert "second-key" not in "".join(server.log)


def test_clients_send_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    import openai

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    keys = tmp_path / "keys"
    keys.write_text("the-key\n")
    with serving("--api-key-file", str(keys)) as server:
        with openai.OpenAI(base_url=server.url + "/v1", api_key="the-key", max_retries=0) as client:
            assert client.models.list().data[0].id == "zh"
            with pytest.raises(openai.AuthenticationError):
                client.with_options(api_key="another").models.list()
            with pytest.raises(Failed) as failed:
                server.post("/v1/embeddings", {"input": "好"})
            assert "Bearer KEY" in failed.value.body["error"]["message"]  # as OpenAI's clients expect it
        hub = huggingface_hub.InferenceClient(base_url=server.url, token="the-key")
        assert hub.token_classification("他在北京。")[0].word == "北京"


def test_other_origins_are_let_in_only_when_named_and_need_a_key_all_the_same(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("the-key\n")
    with serving("--api-key-file", str(keys), "--cors", "https://friend.example") as server:
        friend, stranger = preflight(server, "https://friend.example"), preflight(server, "https://stranger.example")
        assert (friend.status, friend.headers["Access-Control-Allow-Origin"]) == (200, "https://friend.example")
        assert "Access-Control-Allow-Origin" not in stranger.headers
        with pytest.raises(Failed) as failed:
            server.post("/v1/tag", {"text": "好"}, {"Origin": "https://friend.example"})
        assert failed.value.status == 401
        assert failed.value.headers["access-control-allow-origin"] == "https://friend.example"


def test_no_other_origin_is_let_in_by_default(server: LiveServer) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(server, "https://friend.example").headers


def preflight(server: LiveServer, origin: str) -> http.client.HTTPResponse:
    """What a browser asks before it sends JSON from a page of another origin; it never sends a key with that."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    connection.request("OPTIONS", "/v1/tag", headers={"Origin": origin} | asks)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_requests_are_logged_as_json_with_their_id_and_without_their_text() -> None:
    with serving() as server:
        server.post("/v1/segment", {"text": "不可告人"}, {"X-Request-Id": "mine-1"})
        assert server.stop() == 0
        server.close()
        records = [json.loads(line) for line in server.log if line.startswith("{")]
        record = next(one for one in records if one["id"] == "mine-1")
        assert (record["method"], record["route"], record["status"]) == ("POST", "/v1/segment", 200)
        assert record["ms"] > 0
        assert "不可告人" not in "".join(server.log)


def test_it_listens_on_this_machine_only(server: LiveServer) -> None:
    listens = psutil.Process(server.process.pid).net_connections("tcp")
    assert {one.laddr.ip for one in listens if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_a_model_of_the_hub_is_not_looked_for_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(AssertionError, match="nobody/nothing"):  # it ends before it listens, and says why
        LiveServer(["--offline", "-m", "nobody/nothing"])


def test_the_operator_sees_models_and_limits(server: LiveServer) -> None:
    info = server.get("/info")
    bundled = info["models"][0]
    assert {"id", "revision", "licence", "tasks", "labels", "engines", "languages", "mask"} <= bundled.keys()
    assert "CC" in bundled["licence"].upper()
    assert bundled["languages"] == ["zh"]
    assert [model["script"] for model in info["models"]] == ["Hani", "Latn", "Latn"]
    assert any("int8" in engine for engine in bundled["engines"])
    assert info["limits"].keys() == {"max_body_bytes", "max_queued_pieces", "max_texts", "timeout_s"}


def test_the_operator_sees_what_each_model_was_made_for(server: LiveServer) -> None:
    models = {model["name"]: model for model in server.get("/info")["models"]}
    assert models["zh"]["tasks"] == ["tag", "embed"]
    assert models["zh"]["made_for"] == ["tag"]
    assert "embed" in models["joint"]["made_for"]  # it also does more than tagging, so its encoder may be general


def test_a_tagger_with_files_of_sentence_transformers_was_made_for_vectors(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(bundled_folder("zh-fast"), folder)
    assert served(folder).made_for == ("tag",)
    (folder / "modules.json").write_text("[]")
    assert served(folder).made_for == ("tag", "embed")


def served(folder: Path) -> ServedModel:
    return ServedModel(ModelSpec("own", str(folder)), EngineOptions(), share=lambda engine: engine)


def test_a_model_is_loaded_once_for_all_its_wires(server: LiveServer) -> None:
    text = "他在北京。"
    server.post("/v1/tag", {"text": text})
    server.post("/models/zh/pipeline/token-classification", {"inputs": text})
    server.post("/token_classify", {"inputs": text})
    server.post("/analyze", {"text": text})
    assert len(server.get("/info")["models"][0]["engines"]) == 1


def status(server: LiveServer, key: str | None) -> int:
    try:
        server.post("/v1/tag", {"text": "好"}, {} if key is None else {"Authorization": f"Bearer {key}"})
    except Failed as failed:
        return failed.status
    return 200


def test_bodies_beyond_the_limit_are_413() -> None:
    with serving("--max-body", "1000") as server:
        with pytest.raises(Failed) as failed:
            server.post("/v1/tag", {"text": "好" * 2000})
        assert failed.value.status == 413
        assert "1,000" in failed.value.body["error"]


def test_more_than_fits_the_queue_is_429_with_a_time_to_try_again() -> None:
    with serving("--max-queue", "2000") as server:
        statuses: list[tuple[int, Any]] = []

        def ask() -> None:
            try:
                server.post("/v1/segment", {"text": LONG * 100})
                statuses.append((200, None))
            except Failed as failed:
                statuses.append((failed.status, failed.headers.get("retry-after")))

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [wait for code, wait in statuses if code == 429]
        assert len(refused) + sum(code == 200 for code, _ in statuses) == 24
        assert refused
        assert all(int(wait) >= 1 for wait in refused)


def test_a_full_server_refuses_before_the_body_comes() -> None:
    with serving("--max-queue", "2000") as server:
        asking = threading.Thread(target=server.outcome, args=("/v1/segment", {"text": LONG * 10_000}))
        asking.start()
        while not queued(server):
            time.sleep(0.01)
        place = urlsplit(server.url)
        head = "POST /v1/tag HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20000\r\n\r\n"
        with socket.create_connection((str(place.hostname), place.port), timeout=60) as waiting:
            waiting.sendall(head.encode())
            answer = waiting.recv(1000)
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after" in answer.lower()
        asking.join()


def test_ten_times_what_fits_is_answered_or_refused_to_the_last_request() -> None:
    with serving("--max-queue", "4000") as server:
        found = asyncio.run(overload(server.url, LONG * 50, seconds=3, connections=60))
    assert found.n_answered > 0
    assert found.n_refused > 0
    assert found.n_lost == 0


def test_what_takes_too_long_is_504() -> None:
    with serving("--timeout", "2") as server:
        with pytest.raises(Failed) as failed:
            server.post("/v1/segment", {"text": LONG * 60_000})
        assert failed.value.status == 504
        assert server.post("/v1/segment", {"text": "好"})["results"]


def test_a_stopped_server_answers_what_it_accepted_and_ends_with_status_0() -> None:
    with serving() as server:
        answers: list[Any] = []
        asked = threading.Thread(target=lambda: answers.append(server.post("/v1/segment", {"text": LONG * 5000})))
        asked.start()
        time.sleep(0.3)
        code = server.stop()
        asked.join()
        assert code == 0
        assert answers[0]["results"][0]["words"][-1]["end"] == len(LONG) * 5000


def test_every_request_that_was_accepted_is_answered_when_the_server_stops() -> None:
    n_requests = 12
    with serving() as server:
        outcomes: list[Any] = []

        def ask() -> None:
            answer = server.post("/v1/segment", {"text": LONG * 800})
            outcomes.append(answer["results"][0]["words"][-1]["end"])

        askers = [threading.Thread(target=ask) for _ in range(n_requests)]
        for asker in askers:
            asker.start()
        ends = time.monotonic() + 30
        while gauge(server, "te_queue_size") + len(outcomes) < n_requests and time.monotonic() < ends:
            time.sleep(0.01)
        n_accepted = gauge(server, "te_queue_size") + len(outcomes)
        server.process.send_signal(signal.SIGTERM)
        for asker in askers:
            asker.join()
        assert server.process.wait(60) == 0
        assert n_accepted == n_requests
        assert outcomes == [len(LONG) * 800] * n_requests
        assert server.status("/health") == 0


def test_work_whose_client_has_gone_is_dropped() -> None:
    with serving() as server:
        place = urlsplit(server.url)
        body = json.dumps({"text": LONG * 60_000}).encode()
        head = "POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((str(place.hostname), place.port)) as gone:
            gone.sendall(head.encode() + body)
            time.sleep(0.5)
        ends = time.monotonic() + 20
        while queued(server) and time.monotonic() < ends:
            time.sleep(0.05)
        assert queued(server) == 0
        begun = time.perf_counter()
        server.post("/v1/segment", {"text": "好"})
        assert time.perf_counter() - begun < 5


def queued(server: LiveServer) -> float:
    return gauge(server, "lexel_queued_pieces")


def gauge(server: LiveServer, name: str) -> float:
    """A gauge of /metrics."""
    with urllib.request.urlopen(server.url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))

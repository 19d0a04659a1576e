"""Keys, limits, draining and what operators see."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.serving.live import Failed, LiveServer, serving

LONG = "他在北京，她在東京，昨天都下雨了。"


def test_health_and_readiness(server: LiveServer) -> None:
    assert server.get("/health") == {"status": "alive"}
    assert server.get("/ready") == {"status": "ready"}


def test_metrics_count_what_was_answered(server: LiveServer) -> None:
    import urllib.request

    server.post("/v1/tag", {"text": "好"})
    with urllib.request.urlopen(server.url + "/metrics") as answer:
        text = answer.read().decode()
    assert 'lexel_requests_total{route="/v1/tag",status="200"}' in text
    assert "te_queue_size" in text
    assert "lexel_batch_pieces_bucket" in text


def test_the_api_is_described(server: LiveServer) -> None:
    paths = server.get("/openapi.json")["paths"]
    assert {"/v1/tag", "/embed", "/v1/embeddings", "/v2/models/{name}/infer", "/analyze", "/ready"} <= set(paths)


def test_a_request_id_is_kept(server: LiveServer) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/v1/tag", {}, {"X-Request-Id": "abc-1"})
    assert failed.value.headers["x-request-id"] == "abc-1"


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
    import urllib.request

    with urllib.request.urlopen(server.url + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("lexel_queued_pieces ")))

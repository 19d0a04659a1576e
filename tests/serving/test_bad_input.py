"""Bad requests: the right status, one line that says what was expected, and the server goes on."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from lexel.serving.app import answer_failure, build_app
from lexel.serving.direct import Direct, DirectRoute
from lexel.serving.failures import INTERNAL, ClientGone
from lexel.serving.options import ServerOptions
from tests.serving.live import Failed, LiveServer

INFER = b'{"inputs": [{"datatype": "BYTES", "data": ["a"]}], %s}'
BAD = [
    ("/v1/tag", b"{", 400, "JSON"),
    ("/v1/tag", b"", 422, "body"),
    ("/v1/tag", b'{"text": 1}', 422, "text"),
    ("/v1/tag", b'{"texts": "abc"}', 422, "texts"),
    ("/v1/tag", b'{"text": "a", "texts": ["b"]}', 422, "either text"),
    ("/v1/tag", b'{"text": "a", "optionz": {}}', 422, "optionz"),
    ("/v1/tag", b'{"text": "a", "options": {"decode": "best"}}', 422, "decode"),
    ("/v1/tag", b'{"text": "a", "options": {"min_score": NaN}}', 422, "min_score"),
    ("/v1/tag", b'{"text": "\xff"}', 400, "JSON"),
    ("/v1/tag", b'{"text": "a", "options": {"lexicon": [" "]}}', 422, "blank"),
    ("/v1/tag", b'{"texts": [' + b'"a",' * 2000 + b'"a"]}', 422, "1,000"),
    ("/v1/fill", b'{"text": "no mask here", "model": "joint"}', 422, "mask"),
    ("/v1/nothing", b"{}", 404, "/v1/nothing"),
    ("/v1/stream/fly", b"{}", 422, "tag or segment"),
    ("/embed", b'{"inputs": {}}', 422, "inputs"),
    ("/embed", b'{"inputs": []}', 422, "inputs"),
    ("/predict", b'{"inputs": ["a", "b", "c"], "model": "nli"}', 422, "inputs"),
    ("/models/zh/pipeline/summarization", b'{"inputs": "a"}', 422, "summarization"),
    ("/models/..%2f..%2fetc/pipeline/fill-mask", b'{"inputs": "a"}', 404, "no model"),
    ("/models/zh", b'{"inputs": "a", "parameters": {"aggregation_strategy": "best"}}', 422, "best"),
    ("/models/zh", b'{"inputs": "a", "parameters": {"script": "simplified"}}', 422, "script"),
    ("/models/nli/pipeline/zero-shot-classification", b'{"inputs": "a"}', 422, "candidate_labels"),
    (
        "/models/nli/pipeline/zero-shot-classification",
        b'{"inputs": "a", "parameters": {"candidate_labels": ["x"], "hypothesis_template": "{:>99999999999}"}}',
        422,
        "{}",
    ),
    ("/models/zh", b'{"inputs": "a", "parameters": {"stride": "x"}}', 422, "parameters.stride: 'x'; expected a whole"),
    ("/models/zh", b'{"inputs": "a", "parameters": {"stride": NaN}}', 422, "parameters.stride: nan; expected a whole"),
    ("/models/zh", b'{"inputs": "a", "parameters": {"ignore_labels": 5}}', 422, "ignore_labels: 5; expected a list"),
    ("/", b'{"inputs": "a", "dimensions": "x"}', 422, "dimensions"),
    ("/", b'{"inputs": "a", "dimensions": -1}', 422, "dimensions"),
    ("/", b'{"inputs": "a", "dimensions": true}', 422, "dimensions"),
    ("/", b'{"inputs": "a", "normalize": "no"}', 422, "normalize"),
    ("/v1/classify", b'{"text": "a", "model": "nli", "options": {"template": "x {}"}}', 422, "options.labels"),
    ("/v1/classify", b'{"pairs": [["a", "b"]], "model": "nli", "options": {"labels": ["x"]}}', 422, "pairs"),
    (
        "/v1/classify",
        b'{"text": "a", "model": "nli", "options": {"labels": ["x"], "function": "none"}}',
        422,
        "function",
    ),
    ("/v2/models/zh/infer", b'{"inputs": []}', 422, "one tensor"),
    ("/v2/models/zh/infer", INFER % b'"outputs": 5', 422, "outputs"),
    ("/v2/models/zh/infer", INFER % b'"outputs": [{"parameters": [1]}]', 422, "parameters of outputs"),
    ("/v2/models/zh/infer", INFER % b'"parameters": "x"', 422, "parameters of the request"),
    ("/v2/models/zh/infer", INFER % b'"id": ["\\ud800", NaN]', 422, "id"),
    ("/v2/models/zh/infer", b'{"inputs": [{"datatype": "BYTES", "data": [], "parameters": [1]}]}', 422, "of inputs"),
    ("/analyze", b'{"text": 5}', 422, "text"),
    ("/embed", b'{"inputs": [[1, 2]]}', 422, "token ids"),
]


@pytest.mark.parametrize(("path", "body", "status", "said"), BAD)
def test_a_bad_request_gets_its_status_and_one_line(
    server: LiveServer, path: str, body: bytes, status: int, said: str
) -> None:
    with pytest.raises(Failed) as failed:
        server.post(path, body)
    assert failed.value.status == status, failed.value
    assert said in failed.value.body["error"]
    assert "\n" not in failed.value.body["error"]
    assert server.get("/health") == {"status": "alive"}


@pytest.mark.parametrize("path", ["/v1/tag", "/embed", "/v1/embeddings", "/analyze"])
def test_another_content_type_is_415_and_says_which_one_is_expected(server: LiveServer, path: str) -> None:
    with pytest.raises(Failed) as failed:  # what curl -d sends unless it is told otherwise
        server.post(path, {"text": "a"}, {"Content-Type": "application/x-www-form-urlencoded"})
    assert failed.value.status == 415
    assert "expected application/json" in str(failed.value.body["error"])


def test_a_wrong_method_is_405(server: LiveServer) -> None:
    assert server.status("/v1/tag") == 405


@pytest.mark.parametrize("fault", [KeyError("secret"), TypeError("secret"), ValueError("secret")])
def test_a_fault_of_the_server_is_500_and_shows_nothing_of_its_inside(fault: Exception) -> None:
    async def broken(request: Request) -> Response:
        raise fault

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Message) -> None:
        sent.append(message)

    app, sent = build_app(), []
    route = APIRoute("/broken", broken, methods=["POST"])
    app.put_in_front(
        Direct,
        routes={"/broken": DirectRoute(route, None, broken)},
        check_body=lambda n_bytes: None,
        answer_failure=partial(answer_failure, app.state.service),
    )
    asyncio.run(app({"type": "http", "method": "POST", "path": "/broken", "headers": []}, receive, send))
    assert sent[0]["status"] == 500
    assert b"internal error" in sent[1]["body"]
    assert b"secret" not in sent[1]["body"]


def answered(app: FastAPI, path: str, *parts: bytes) -> list[Message]:
    """What an application sends to a request whose body comes in parts."""
    sent: list[Message] = []
    waiting = [{"type": "http.request", "body": part, "more_body": part != parts[-1]} for part in parts]

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return sent


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An application that fails when it looks for a model."""

    def fail(*_: object) -> None:
        raise error

    app = build_app()
    monkeypatch.setattr(type(app.state.service.models), "__getitem__", fail)
    return app


@pytest.mark.parametrize("path", ["/models/zh", "/v2/models/zh/infer", "/"])
def test_a_fault_behind_the_framework_is_answered_once_as_json(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start, body = answered(failing(ValueError("secret"), monkeypatch), path, b'{"inputs": "a"}')
    assert start["status"] == 500
    assert json.loads(body["body"]) == {"error": INTERNAL, "error_type": "internal"}


def test_a_client_that_has_left_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = failing(ClientGone("the client has left"), monkeypatch)
    assert answered(app, "/v2/models/zh/infer", b"{}")[0]["status"] == 499
    assert b"lexel_abandoned_total 1.0" in app.state.service.metrics.text()[0]


def test_a_stream_that_breaks_off_has_one_beginning() -> None:
    app = build_app(options=ServerOptions(max_body_bytes=100))
    sent = answered(app, "/v1/stream/tag", b'""\n', b"a" * 1000, b"")
    assert [message["type"] for message in sent].count("http.response.start") == 1


def test_a_model_that_answers_questions_is_not_asked_by_texts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    app = build_app()
    monkeypatch.setattr(app.state.service.models.default, "tasks", ("answer", "embed"))
    infer = b'{"inputs": [{"datatype": "BYTES", "data": ["ab"]}]}'
    start, body = answered(app, "/v2/models/zh/infer", infer)
    assert start["status"] == 404
    assert b"ask it at /v1/answer" in body["body"]


def test_a_number_of_five_thousand_digits_in_a_header_is_no_fault(server: LiveServer) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/v2/models/zh/infer", b"{}", {"Inference-Header-Content-Length": "0" * 5000})
    assert failed.value.status == 422
    body = {"inputs": "a", "parameters": {"candidate_labels": ["x"]}}
    assert server.post("/models/nli", body, {"User-Agent": f"hf_hub/{'9' * 5000}.1.1"})


def test_deep_nesting_is_refused(server: LiveServer) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/v1/tag", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert failed.value.status in (400, 422)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"POST /v1/tag HTTP/1.1\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /page/..%2f..%2frun.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /v1/tag HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/tag HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Type: application/json\r\n\r\n{",
    ],
)
def test_broken_http_does_not_stop_the_server(server: LiveServer, raw: bytes) -> None:
    place = urlsplit(server.url)
    with socket.create_connection((str(place.hostname), place.port), timeout=10) as broken:
        broken.settimeout(2)
        try:
            broken.sendall(raw)
            broken.shutdown(socket.SHUT_WR)
            answer = broken.recv(1000)
        except OSError:
            answer = b""
    assert b"root:" not in answer
    assert b" 200 " not in answer[:20]
    assert server.post("/v1/segment", {"text": "好"})["results"]


def test_lone_surrogates_in_escapes_are_read_and_given_back(server: LiveServer) -> None:
    (found,) = server.post("/v1/tag", b'{"text": "\\ud800\\u597d"}')["results"]
    assert found["text"] == "\ud800\u597d"


def test_many_headers_do_not_stop_the_server(server: LiveServer) -> None:
    head = b"POST /v1/segment HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(20_000))
    assert b" 200 " not in exchanged(server, [head + b"Content-Length: 2\r\n\r\n{}"])[:20]
    assert server.post("/v1/segment", {"text": "\u597d"})["results"]


def test_a_slow_body_is_waited_for_and_holds_nobody_up(server: LiveServer) -> None:
    body = json.dumps({"text": "\u597d"}).encode()
    head = "POST /v1/segment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    parts = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), *(body[i : i + 1] for i in range(len(body)))]

    def ask() -> None:
        assert server.post("/v1/segment", {"text": "\u597d"})["results"]

    assert exchanged(server, parts, between=ask).startswith(b"HTTP/1.1 200 ")


def exchanged(server: LiveServer, parts: list[bytes], between: Callable[[], None] = lambda: None) -> bytes:
    """The answer to what is sent in parts."""
    place = urlsplit(server.url)
    with socket.create_connection((str(place.hostname), place.port), timeout=30) as slow:
        try:
            for part in parts:
                slow.sendall(part)
                between()
            return slow.recv(1000)
        except OSError:
            return b""


def test_random_bodies_never_give_a_fault_of_the_server(server: LiveServer) -> None:
    random.seed(7)
    paths = [path for path in server.get("/openapi.json")["paths"] if "{" not in path]
    posts = [path for path in paths if "post" in server.get("/openapi.json")["paths"][path]]
    leaves = [
        None,
        True,
        0,
        -1,
        1e308,
        "",
        "好",
        "\ud800",
        [],
        {},
        ["a"],
        [["a", "b"]],
        {"question": "a", "context": "b"},
    ]
    names = [
        "text",
        "texts",
        "inputs",
        "input",
        "options",
        "parameters",
        "model",
        "query",
        "ids",
        "question",
        "context",
        "pairs",
    ]
    seen = defaultdict(list)
    for _ in range(400):
        path = random.choice(posts)
        body = {random.choice(names): random.choice(leaves) for _ in range(random.randrange(4))}
        seen[server.outcome(path, body)].append((path, body))
    assert {status for status in seen if status >= 500} == set(), seen
    assert set(seen) >= {200, 422}

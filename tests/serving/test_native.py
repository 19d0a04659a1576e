"""Lexel's own wire: what it gives is what the Python API gives."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import lexel
from lexel.serving.app import build_app
from lexel.serving.failures import INTERNAL
from lexel.serving.wires.native import Native
from tests.serving.live import Failed, LiveServer

TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"


@pytest.fixture(scope="module")
def nlp() -> lexel.Tagger:
    return lexel.load()


def test_tagging_gives_the_words_and_entities_of_the_python_api(server: LiveServer, nlp: lexel.Tagger) -> None:
    (found,) = server.post("/v1/tag", {"text": TEXT})["results"]
    doc = nlp(TEXT)
    assert [(w["text"], w["pos"], w["start"], w["end"]) for w in found["words"]] == [
        (w.text, w.pos, w.start, w.end) for w in doc.words
    ]
    assert [(e["text"], e["label"]) for e in found["entities"]] == [(e.text, e.label) for e in doc.entities]
    assert found["offset_unit"] == "char"


def test_segmenting_gives_words_alone(server: LiveServer, nlp: lexel.Tagger) -> None:
    (found,) = server.post("/v1/segment", {"text": TEXT})["results"]
    assert [w["text"] for w in found["words"]] == nlp(TEXT).words.texts
    assert "entities" not in found
    assert "pos" not in found["words"][0]


def test_several_texts_come_back_in_order(server: LiveServer) -> None:
    texts = [f"第{i}句話。" for i in range(50)]
    found = server.post("/v1/tag", {"texts": texts})["results"]
    assert [one["text"] for one in found] == texts


@pytest.mark.parametrize(("unit", "start"), [("char", 1), ("utf16", 2), ("byte", 4)])
def test_offsets_count_in_the_unit_that_was_asked_for(server: LiveServer, unit: str, start: int) -> None:
    (found,) = server.post("/v1/tag", {"text": "😀北京", "options": {"offsets": unit}})["results"]
    assert found["words"][1]["start"] == start
    assert found["offset_unit"] == unit


def test_a_lexicon_of_one_request_does_not_touch_another(server: LiveServer) -> None:
    text = "他在北京工作。"
    plain = server.post("/v1/segment", {"text": text})["results"][0]["words"]
    forced = server.post("/v1/segment", {"text": text, "options": {"lexicon": ["京工"]}})["results"][0]["words"]
    assert "京工" in [word["text"] for word in forced]
    assert server.post("/v1/segment", {"text": text})["results"][0]["words"] == plain


def test_text_in_another_script_is_converted_for_the_model_alone(server: LiveServer) -> None:
    options = {"script": "simplified"}
    (found,) = server.post("/v1/segment", {"text": TEXT, "options": options})["results"]
    expected = lexel.load(script="simplified")(TEXT)
    assert found["text"] == TEXT
    assert [word["text"] for word in found["words"]] == expected.words.texts


def test_a_lone_surrogate_comes_back_as_it_was_sent(server: LiveServer) -> None:
    (found,) = server.post("/v1/tag", b'{"text": "a\\ud83db"}')["results"]
    assert found["text"] == "a\ud83db"


def test_a_long_text_is_not_cut_off(server: LiveServer) -> None:
    text = "他在北京。" * 4000
    (found,) = server.post("/v1/segment", {"text": text})["results"]
    assert found["words"][-1]["end"] == len(text)


def test_masks_are_filled(server: LiveServer) -> None:
    (found,) = server.post("/v1/fill", {"text": "天下的[MASK]", "model": "joint", "options": {"top_k": 3}})["results"]
    assert len(found["blanks"][0]["candidates"]) == 3


def test_classes_are_given_best_first(server: LiveServer) -> None:
    (found,) = server.post("/v1/classify", {"text": "天下的人", "model": "joint"})["results"]
    scores = [score for _, score in found["scores"]]
    assert scores == sorted(scores, reverse=True)
    assert {label for label, _ in found["scores"]} == {"sports", "law", "art"}


def test_labels_in_the_request_are_zero_shot_classes(server: LiveServer) -> None:
    options = {"labels": ["new york", "live"]}
    (found,) = server.post("/v1/classify", {"text": "天下的人", "model": "nli", "options": options})["results"]
    assert {label for label, _ in found["scores"]} == {"new york", "live"}


def test_an_answer_is_a_span_of_its_context(server: LiveServer) -> None:
    context = "new york live"
    (found,) = server.post("/v1/answer", {"question": "in", "context": context, "model": "joint"})["results"]
    first = found["answers"][0]
    assert context[first["start"] : first["end"]] == first["text"]


def test_vectors_are_those_of_the_embedder(server: LiveServer) -> None:
    (found,) = server.post("/v1/embed", {"text": TEXT, "model": "zh"})["results"]
    assert found["vector"] == pytest.approx(lexel.Embedder.load()(TEXT).vector.tolist(), abs=0.05)


def test_a_text_is_most_like_itself(server: LiveServer) -> None:
    found = server.post("/v1/similarity", {"text": TEXT, "texts": ["天氣很好", TEXT], "model": "zh"})
    assert found["similarities"][1] == pytest.approx(1, abs=1e-3)
    assert found["similarities"][0] < found["similarities"][1]


def test_a_stream_answers_a_line_before_the_next_one_is_sent(server: LiveServer) -> None:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    connection.putrequest("POST", "/v1/stream/segment")
    connection.putheader("Content-Type", "application/x-ndjson")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    found = []
    sock = connection.sock
    for i in range(3):
        line = json.dumps(f"第{i}句。").encode() + b"\n"
        connection.send(b"%x\r\n%s\r\n" % (len(line), line))
        received = b""
        while f"第{i}句".encode() not in received:
            received += sock.recv(65536)  # the answer of this line comes before anything else is sent
        found.append(received)
    connection.send(b"0\r\n\r\n")
    connection.close()
    assert len(found) == 3


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH")
def test_the_commands_of_the_page_work(server: LiveServer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    commands = [line for line in page.splitlines() if line.startswith(("curl ", "printf "))]
    answers = []
    for command in commands:
        here = command.replace("http://127.0.0.1:8000", server.url)
        done = subprocess.run(here, shell=True, check=True, capture_output=True, text=True, timeout=60)
        answers.append([json.loads(line) for line in done.stdout.splitlines()])
    assert [found["text"] for found in answers[0][0]["results"]] == ["他在北京。"]
    assert [found["text"] for found in answers[1]] == ["他在北京。", "她在東京。"]


def test_a_client_that_asks_first_is_told_to_send_its_lines(server: LiveServer) -> None:
    place = urlsplit(server.url)
    head = "POST /v1/stream/segment HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
    with socket.create_connection((str(place.hostname), place.port), timeout=30) as asking:
        asking.sendall(f"{head}Content-Length: 6\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert asking.recv(1000).startswith(b"HTTP/1.1 100")
        asking.sendall(b'"\xe5\xa5\xbd"\n')
        answer = b"".join(iter(lambda: asking.recv(65536), b""))
    assert "好".encode() in answer


def test_a_bad_line_of_a_stream_costs_that_line_alone(server: LiveServer) -> None:
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    body = b'"\xe5\xa5\xbd"\nnot json\n{"text": "\xe5\xa5\xbd", "oops": 1}\n"\xe5\xa5\xbd"\n'
    connection.request("POST", "/v1/stream/segment", body, {"Content-Type": "application/x-ndjson"})
    lines = [json.loads(line) for line in connection.getresponse().read().splitlines()]
    connection.close()
    assert [line.get("error_type") for line in lines] == [None, "invalid", "invalid", None]
    assert "oops" in lines[2]["error"]


def test_a_websocket_answers_message_by_message(server: LiveServer) -> None:
    from websockets.sync.client import connect

    with connect(server.url.replace("http", "ws") + "/v1/ws/tag") as socket:
        for text in ("他在北京。", "她在東京。"):
            socket.send(json.dumps({"text": text}))
            assert json.loads(socket.recv())["text"] == text


def test_a_websocket_goes_on_after_bytes_and_after_a_fault(server: LiveServer) -> None:
    from websockets.sync.client import connect

    with connect(server.url.replace("http", "ws") + "/v1/ws/tag") as socket:
        for message in (b"\xff", b'{"text": "\xe5\xa5\xbd"}', ""):
            socket.send(message)
        answers = [json.loads(socket.recv()) for _ in range(3)]
    assert ["error" in answer for answer in answers] == [True, False, True]


def test_a_line_that_fails_by_a_fault_has_its_error_and_the_stream_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = build_app().state.service

    async def lane(*_: object) -> None:
        raise TypeError("secret")

    monkeypatch.setattr(service, "lane", lane)
    answer = json.loads(asyncio.run(Native(service).message('{"text": "a"}')))
    assert answer == {"error": INTERNAL, "error_type": "internal"}


def test_an_unknown_model_is_404_and_names_those_that_are_there(server: LiveServer) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/v1/tag", {"text": "好", "model": "nobody"})
    assert failed.value.status == 404
    assert "zh, joint, nli" in failed.value.body["error"]


def test_a_model_without_the_head_is_404(server: LiveServer) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/v1/fill", {"text": "[MASK]", "model": "zh"})
    assert failed.value.status == 404
    assert "fill" in failed.value.body["error"]


def test_short_texts_are_not_held_up_by_a_long_one(server: LiveServer) -> None:
    text = "他在北京，她在東京，昨天都下雨了。" * 6000
    started = time.perf_counter()
    long = threading.Thread(target=server.post, args=("/v1/segment", {"text": text}))
    long.start()
    time.sleep(0.2)
    waits = []
    while long.is_alive():
        begun = time.perf_counter()
        server.post("/v1/segment", {"text": "他在北京。"})
        waits.append(time.perf_counter() - begun)
    took = time.perf_counter() - started
    assert len(waits) >= 3  # short texts were answered while the long one was being read
    assert sorted(waits)[len(waits) // 2] < took / 3

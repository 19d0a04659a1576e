"""text-embeddings-inference's wire."""

from __future__ import annotations

import urllib.request

import pytest

from tests.serving.live import Failed, LiveServer


def test_vectors_are_of_length_one_unless_told_otherwise(server: LiveServer) -> None:
    found = server.post("/embed", {"inputs": ["他在北京。", "天氣很好。"], "truncate": True})
    assert [sum(x * x for x in vector) for vector in found] == pytest.approx([1, 1], abs=1e-3)


def test_vectors_can_be_shortened_and_left_as_they_are(server: LiveServer) -> None:
    (plain,) = server.post("/embed", {"inputs": "他在北京。", "normalize": False})
    (short,) = server.post("/embed", {"inputs": "他在北京。", "normalize": False, "dimensions": 8})
    assert short == pytest.approx(plain[:8], abs=0.05)
    assert sum(x * x for x in plain) != pytest.approx(1, abs=1e-3)


def test_every_piece_has_a_vector(server: LiveServer) -> None:
    found = server.post("/embed_all", {"inputs": "他在"})
    assert len(found[0]) == 4  # with the special pieces


def test_a_flat_list_of_two_strings_is_a_pair(server: LiveServer) -> None:
    pair = server.post("/predict", {"inputs": ["天下", "的人"], "model": "nli"})
    batch = server.post("/predict", {"inputs": [["天下", "的人"], ["天下"]], "model": "nli"})
    assert pair == batch[0]
    assert len(batch) == 2


def test_raw_scores_are_not_probabilities(server: LiveServer) -> None:
    found = server.post("/predict", {"inputs": "天下的人", "model": "joint", "raw_scores": True})
    assert sum(one["score"] for one in found) != pytest.approx(1, abs=1e-3)
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)


def test_a_text_is_most_like_itself(server: LiveServer) -> None:
    inputs = {"source_sentence": "他在北京。", "sentences": ["他在北京。", "天氣很好。"]}
    same, other = server.post("/similarity", {"inputs": inputs})
    assert same == pytest.approx(1, abs=1e-3)
    assert other < same


def test_texts_are_ranked_by_score(server: LiveServer) -> None:
    body = {"query": "天下", "texts": ["人", "new york"], "model": "nli", "return_text": True}
    found = server.post("/rerank", body)
    assert sorted(one["index"] for one in found) == [0, 1]
    assert found[0]["score"] >= found[1]["score"]
    assert {one["text"] for one in found} == {"人", "new york"}


def test_entities_come_with_offsets(server: LiveServer) -> None:
    text = "臺北市長蔣萬安昨天會見東京來的訪問團。"
    (found,) = server.post("/token_classify", {"inputs": [text]})
    assert all(text[one["start"] : one["end"]] == one["word"] for one in found)


def test_pieces_are_listed_and_put_together_again(server: LiveServer) -> None:
    (pieces,) = server.post("/tokenize", {"inputs": "他在北京"})
    assert [piece["special"] for piece in pieces] == [True, False, False, False, False, True]
    assert [(piece["start"], piece["stop"]) for piece in pieces[1:-1]] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    (text,) = server.post("/decode", {"ids": [piece["id"] for piece in pieces]})
    assert text.replace(" ", "") == "他在北京"


def test_token_ids_are_refused(server: LiveServer) -> None:
    with pytest.raises(Failed) as failed:
        server.post("/embed", {"inputs": [[1, 2, 3]]})
    assert failed.value.status == 422
    assert "token ids" in failed.value.body["error"]


def test_it_is_alive_and_counted_under_the_names_that_dashboards_have(server: LiveServer) -> None:
    assert server.status("/health") == 200
    server.post("/embed", {"inputs": "好"})
    with urllib.request.urlopen(server.url + "/metrics") as answer:
        names = {line.split("{")[0].split()[0] for line in answer.read().decode().splitlines() if line[0] != "#"}
    assert {"te_request_count_total", "te_request_success_total", "te_queue_size"} <= names
    assert {"te_request_duration_bucket", "te_batch_next_size_bucket", "te_batch_next_tokens_bucket"} <= names


def test_info_has_the_keys_that_clients_read(server: LiveServer) -> None:
    info = server.get("/info")
    assert info["served_model_name"] == "zh"
    assert info["max_input_length"] == 256
    assert info["auto_truncate"] is False
    assert [model["name"] for model in info["models"]] == ["zh", "joint", "nli"]

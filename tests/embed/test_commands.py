"""``lexel embed``, ``search`` and ``cluster`` as processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from lexel import Embedder
from lexel.cli.options.embed import PartName, VectorFormatName
from lexel.cli.options.search import MetricName
from lexel.data.vectors import VectorFormat, open_vectors
from lexel.tasks.embed import Part
from lexel.tasks.search import METRICS
from tests.cli.conftest import Run, one_error

TEXTS = ["王小明在臺北市。", "", "我在家", "王小明在臺北市", "他在中国大学"]


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.decode().split("\n")[:-1]]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def vectors(texts: Path, lexel: Run) -> Path:
    """The texts embedded by the tiny model."""
    out = texts.with_name("vectors")
    result = lexel("embed", texts, "--out", out)
    assert result.returncode == 0, result.stderr.decode()
    return out


def test_line_n_is_row_n_with_the_vector_that_python_gives(vectors: Path, model: Path) -> None:
    found = open_vectors(vectors)
    np.testing.assert_allclose(found.values, Embedder.load(model, engine="numpy").encode(TEXTS), atol=1e-6)
    assert [record.text for record in found.records(range(len(TEXTS))).values()] == TEXTS
    assert found.made["model"] == str(model)
    assert found.made["pooling"].startswith("mean of hidden.2")


def test_what_was_made_is_said(texts: Path, lexel: Run, tmp_path: Path) -> None:
    said = lexel("embed", texts, "-o", tmp_path / "v.parquet").stderr.decode()
    assert "pooling: mean of hidden.2 (the model's files do not define it" in said
    assert f"{tmp_path / 'v.parquet'}: 5 vectors of 16 numbers" in said
    assert lexel("embed", texts, "-q", "-o", tmp_path / "v.parquet").stderr == b""


def test_into_a_pipe_go_json_lines(lexel: Run) -> None:
    found = records(lexel("embed", "-q", "--dimensions", "3", "--normalise", input="我在家\n王\n").stdout)
    assert [record["text"] for record in found] == ["我在家", "王"]
    for record in found:
        assert np.linalg.norm(record["vector"]) == pytest.approx(1, abs=1e-5)
        assert len(record["vector"]) == 3


@pytest.mark.parametrize(("per", "expected"), [("word", ["他", "在", "北京"]), ("entity", ["北京"])])
def test_a_vector_a_word_or_entity_says_where_it_stands(per: str, expected: list[str], lexel: Run) -> None:
    record = {"text": "他在北京", "words": [[0, 1], [1, 2], [2, 4]], "pos": ["PRON", "ADP", "PROPN"]}
    line = json.dumps({**record, "entities": [[2, 4, "LOC"]]}, ensure_ascii=False)
    found = records(lexel("embed", "-q", "--from", "jsonl", "--per", per, input=line).stdout)
    assert [record["text"] for record in found] == expected
    assert (found[-1]["id"], found[-1]["start"], found[-1]["end"]) == ("1", 2, 4)
    assert found[-1]["label"] == {"word": "PROPN", "entity": "LOC"}[per]


def test_a_search_finds_the_text_itself_first_and_its_near_duplicate_next(vectors: Path, lexel: Run) -> None:
    (found,) = records(lexel("search", vectors, "--query", TEXTS[0], "--top-k", "2", "-q").stdout)
    assert found["query"] == TEXTS[0]
    assert [one["row"] for one in found["nearest"]] == [0, 3]
    assert found["nearest"][0]["score"] == pytest.approx(1, abs=1e-5)


def test_a_graph_is_built_once_and_finds_what_comparing_finds(texts: Path, lexel: Run, tmp_path: Path) -> None:
    lexel("embed", texts, "-q", "--out", tmp_path / "v")
    asked = ["search", tmp_path / "v", "--query", TEXTS[0]]
    first, second = lexel(*asked, "--index", "hnsw"), lexel(*asked, "--index", "hnsw")
    assert first.stdout == second.stdout == lexel(*asked).stdout
    assert "building a graph over 5 vectors, once" in first.stderr.decode()
    assert "building" not in second.stderr.decode()


def test_a_graph_over_texts_is_refused(texts: Path, lexel: Run) -> None:
    said = one_error(lexel("search", texts, "--query", "a", "--index", "hnsw", "-q"))
    assert "--index hnsw is for stored vectors; write them with lexel embed first" in said


def test_a_database_is_searched_as_a_folder_is(texts: Path, vectors: Path, lexel: Run, tmp_path: Path) -> None:
    assert lexel("embed", texts, "-q", "--out", tmp_path / "v.lancedb").returncode == 0
    asked = ["--query", TEXTS[0], "-q"]
    assert lexel("search", tmp_path / "v.lancedb", *asked).stdout == lexel("search", vectors, *asked).stdout


def test_a_file_of_texts_is_searched_as_its_vectors_are(texts: Path, vectors: Path, lexel: Run) -> None:
    queries = "\n".join(TEXTS[2:])
    by_text = records(lexel("search", texts, "--queries", "-", "-q", input=queries).stdout)
    by_vectors = records(lexel("search", vectors, "--queries", "-", "-q", input=queries).stdout)
    assert [record["query"] for record in by_text] == TEXTS[2:]
    assert [one["row"] for one in by_text[0]["nearest"]] == [one["row"] for one in by_vectors[0]["nearest"]]


def test_vectors_of_another_model_are_refused(vectors: Path, encoder: Path, lexel: Run) -> None:
    said = one_error(lexel("search", vectors, "-m", encoder, "--query", "a", "-q"))
    assert "vectors: made with" in said
    assert "expected the same. Give it with --model, or embed again" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--query", " "], "query 1 is empty; expected a text to look for"),
        ([], "no query; expected --query TEXT or --queries FILE"),
        (["--query", "a", "--pooling", "cls"], "says how its vectors were made (mean of hidden.2"),
        (["--query", "a", "--prompt", "query"], "prompt is 'query'; expected a name that the model has (it has none)"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(
    arguments: list[str], message: str, vectors: Path, lexel: Run
) -> None:
    assert message in one_error(lexel("search", vectors, *arguments, "-q"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.npy"], "x.npy: ending '.npy'; vectors go with their texts"),
        (["--to", "npy"], "npy is a folder; give its name with --out"),
        (["--pooling", "learned"], "no head for learned pooling; it has words (words)"),
        (["--dimensions", "17"], "dimensions is 17; expected 1 to 16"),
        (["--per", "entity"], "text 0: has no entities; expected them to embed"),
    ],
)
def test_what_cannot_be_embedded_is_said_in_one_line(arguments: list[str], message: str, lexel: Run) -> None:
    assert message in one_error(lexel("embed", *arguments, "-q", input="我在家"))


def test_clusters_are_numbered_from_the_largest_and_shown_by_their_middle(
    vectors: Path, lexel: Run, tmp_path: Path
) -> None:
    out = tmp_path / "groups.jsonl"
    result = lexel("cluster", vectors, "-k", "3", "--show", "1", "--out", out, "-q", LEXEL_MODEL="", LEXEL_ENGINE="")
    shown = records(result.stdout)
    assert [one["cluster"] for one in shown] == [1, 2, 3]
    assert sum(one["size"] for one in shown) == len(TEXTS)
    assert [one["size"] for one in shown] == sorted((one["size"] for one in shown), reverse=True)
    groups = records(out.read_bytes())
    assert [one["text"] for one in groups] == TEXTS
    assert groups[0]["cluster"] == groups[3]["cluster"]
    assert lexel("cluster", vectors, "-k", "3", "--show", "1", "-q").stdout == result.stdout


def test_near_duplicates_are_joined_by_a_threshold(vectors: Path, lexel: Run) -> None:
    shown = records(lexel("cluster", vectors, "--threshold", "0.97", "-q").stdout)
    assert sorted(text["text"] for text in shown[0]["texts"]) == sorted([TEXTS[0], TEXTS[3]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one of a number of clusters (--clusters) and a threshold (--threshold)"),
        (["-k", "9"], "9 clusters (--clusters) of 5 vectors; expected at most as many"),
    ],
)
def test_what_cannot_be_clustered_is_said_in_one_line(
    arguments: list[str], message: str, vectors: Path, lexel: Run
) -> None:
    assert message in one_error(lexel("cluster", vectors, *arguments, "-q"))


def test_the_choices_of_the_options_are_those_there_are() -> None:
    assert get_args(VectorFormatName) == get_args(VectorFormat)
    assert get_args(PartName) == ("text", *get_args(Part))
    assert get_args(MetricName) == METRICS


def test_a_lone_surrogate_goes_into_a_folder_and_is_found_there(lexel: Run, tmp_path: Path) -> None:
    line = json.dumps({"text": "我\ud800家"})
    assert lexel("embed", "--from", "jsonl", "-q", "-o", tmp_path / "v", input=line).returncode == 0
    (found,) = records(lexel("search", tmp_path / "v", "--query", "我", "-q").stdout)
    assert found["nearest"][0]["text"] == "我\ud800家"
    said = one_error(lexel("embed", "--from", "jsonl", "-q", "-o", tmp_path / "v.parquet", input=line))
    assert "lone surrogate U+D800 in a text; a table cannot hold it" in said

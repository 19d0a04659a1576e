"""``lexel compare`` as a process: tables, JSON, page, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lexel.data import write_jsonl
from tests.builders import ENTITIES, POS, WORDS, build_tagger
from tests.evaluation.conftest import Run, random_gold


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and two files of data."""
    place = tmp_path_factory.mktemp("compare")
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    for name, seed in (("one", 1), ("two", 2)):
        build_tagger(place / name, heads=heads, pieces="chars", seed=seed)
        write_jsonl(random_gold(30, seed=seed), place / f"{name}.jsonl")
    other = ("O", "B-GPE", "I-GPE")
    build_tagger(place / "other", heads={"entities": other}, pieces="chars")
    return place


def test_two_models_are_compared_in_tables_json_and_a_page(lexel_command: Run, place: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "c.json", tmp_path / "c.html"
    options = ("--samples", "20", "--rounds", "2", "--speed-chars", "100", "--examples", "3")
    result = lexel_command(
        "compare", place / "one", place / "two", "-d", place / "one.jsonl", *options, "-o", out, "--html", page
    )
    assert result.returncode == 0, result.stderr
    titles = ("Scores on one", "Difference from one", "Cost", "Where they disagree")
    for said in (*titles, "p bootstrap", "chars/s", "peak memory", "second right", "not stated"):
        assert said in result.stdout
    read = json.loads(out.read_text(encoding="utf-8"))
    assert [model["name"] for model in read["models"]] == ["one", "two"]
    assert read["models"][0]["speed"]["n_rounds"] == 2
    assert read["models"][0]["described"]["weights_sha256"].keys() == {"model.safetensors"}
    (found,) = read["data"]
    assert found["scores"]["words, F1"]["two"].keys() == {"value", "low", "high"}
    assert {each["model"] for each in found["contrasts"]} == {"two"}
    assert read["flips"]
    assert "<!doctype html>" in page.read_text(encoding="utf-8")


def test_one_model_on_several_data_sets_is_a_table_with_their_mean(lexel_command: Run, place: Path) -> None:
    data = ("-d", place / "one.jsonl", "-d", place / "two.jsonl")
    result = lexel_command("compare", place / "one", *data, "--samples", "0", "--rounds", "0")
    assert result.returncode == 0, result.stderr
    assert "mean" in result.stdout
    assert "p bootstrap" not in result.stdout


def test_quiet_compares_without_a_word(lexel_command: Run, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    models = (place / "one", place / "two")
    result = lexel_command(
        "compare", *models, "-d", place / "one.jsonl", "--samples", "0", "--rounds", "0", "-q", "-o", out
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert out.exists()


def test_a_label_map_brings_models_together(lexel_command: Run, place: Path, tmp_path: Path) -> None:
    models, data = (place / "one", place / "other"), ("-d", place / "one.jsonl", "--samples", "0", "--rounds", "0")
    refused = lexel_command("compare", *models, *data)
    assert refused.returncode == 1
    assert "other labels GPE, the data LOC, PER" in refused.stderr
    label_map = tmp_path / "map.json"
    label_map.write_text('{"GPE": "LOC", "PER": null}', encoding="utf-8")
    result = lexel_command("compare", *models, *data, "--label-map", label_map)
    assert result.returncode == 0, result.stderr
    assert "other has no head for words" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["one", "-d", "one.jsonl"], 2, "one model and one file; expected two models, or several files"),
        (["one", "two"], 2, "--data"),
        (["one", "no-such-model", "-d", "one.jsonl"], 1, "no-such-model"),
        (["one", "two", "-d", "no.jsonl"], 1, "no.jsonl: no such file"),
        (["one", "two", "-d", "empty.jsonl"], 1, "empty: no documents"),
        (["one", "two", "-d", "one.jsonl", "--label-map", "one.jsonl"], 1, "one.jsonl: is not JSON"),
        (["one", "two", "-d", "one.jsonl", "--html", "no/c.html"], 1, "there is no folder 'no'"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(
    arguments: list[str], status: int, said: str, lexel_command: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    Path("empty.jsonl").write_text("", encoding="utf-8")
    result = lexel_command("compare", *arguments, "-q")
    assert result.returncode == status
    assert said in result.stderr
    assert result.stderr.count("\n") == 1

"""Files of corpora and annotation tools on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lexel.data.labelled import open_labelled
from tests.cli.conftest import Run

UNER = "# sent_id = s1\n# text = 王小明在北京\n1\t王小明\tB-PER\n2\t在\tO\n3\t北京\tB-LOC\n"


def test_results_go_into_a_folder_of_brat_which_is_read_again(lexel: Run, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    assert lexel("tag", "--to", "brat", "-o", out, input="王小明在北京\n天下\n").returncode == 0
    assert [document.text for document in open_labelled(out).documents()] == ["王小明在北京", "天下"]
    again = lexel("tag", out, "--to", "jsonl")
    assert [json.loads(line)["id"] for line in again.stdout.splitlines()] == ["00000001", "00000002"]


@pytest.mark.parametrize("arguments", [("a.ann",), ("a.txt", "--from", "brat")])
@pytest.mark.parametrize("command", ["tag", "segment"])
def test_one_pair_of_brat_is_read(lexel: Run, tmp_path: Path, command: str, arguments: tuple[str, ...]) -> None:
    (tmp_path / "a.txt").write_text("王小明在北京", encoding="utf-8")
    (tmp_path / "a.ann").write_text("T1\tPER 0 3\t王小明\n", encoding="utf-8")
    name, *options = arguments
    done = lexel(command, tmp_path / name, *options, "--to", "jsonl")
    assert json.loads(done.stdout)["id"] == "a"


@pytest.mark.parametrize("name", ["ontonotes", "conll2012", "uner", "germeval", "webanno"])
def test_results_are_written_in_rows_and_known_by_them(lexel: Run, tmp_path: Path, name: str) -> None:
    out = tmp_path / ("out.name" if name == "ontonotes" else "out.tsv")
    done = lexel("tag", "--to", name, "-o", out, input="王小明在北京\n天下\n")
    assert done.returncode == 0, done.stderr
    assert open_labelled(out).format.name == name


def test_a_model_is_scored_on_a_folder_of_brat(lexel: Run, tmp_path: Path) -> None:
    (tmp_path / "gold").mkdir()
    (tmp_path / "gold" / "a.txt").write_text("王小明在北京", encoding="utf-8")
    (tmp_path / "gold" / "a.ann").write_text("T1\tPER 0 3\t王小明\n", encoding="utf-8")
    report = tmp_path / "report.json"
    done = lexel("evaluate", "-d", tmp_path / "gold", "-o", report)
    assert done.returncode == 0, done.stderr
    data = json.loads(report.read_text(encoding="utf-8"))["data"]
    assert (data["format"], data["bytes"]) == ("brat", 18 + 21)


def test_rows_of_another_tool_are_not_taken_for_columns(lexel: Run, tmp_path: Path) -> None:
    (tmp_path / "dev.iob2").write_text(UNER, encoding="utf-8")
    tagged = lexel("tag", tmp_path / "dev.iob2", "--to", "jsonl")
    assert json.loads(tagged.stdout)["text"] == "王小明在北京"
    done = lexel("evaluate", "-d", tmp_path / "dev.iob2")
    assert done.returncode == 0, done.stderr

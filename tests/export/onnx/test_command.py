"""``lexel export`` on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.builders import WORDS, build_tagger


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lexel", "export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_it_says_how_near_each_graph_is_and_checks_it_again(tmp_path: Path) -> None:
    model, out = str(build_tagger(tmp_path / "model", heads={"words": WORDS})), str(tmp_path / "out")
    written = run(model, out, "--precision", "float32,int8", "--max-flips", "1000")
    assert written.returncode == 0, written.stderr
    lines = [line for line in written.stderr.splitlines() if not line.startswith("note:   ")]
    assert [line.split(":")[1].strip() for line in lines[:2]] == ["words, float32", "words, int8"]
    assert lines[0].endswith("0.0 of 1,000 decisions differ")
    checked = run(model, out, "--check")
    assert checked.returncode == 0, checked.stderr
    assert [line for line in checked.stderr.splitlines() if not line.startswith("note:   ")][:2] == lines[:2]


def test_a_folder_of_a_bundled_model_is_checked_without_naming_it(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert run("zh", out, "--head", "words").returncode == 0
    checked = run(out, "--check")
    assert checked.returncode == 0, checked.stderr
    assert checked.stderr.splitlines()[-1] == f"note: {out}: checked"


def test_what_int8_costs_is_reported_on_labelled_documents(tmp_path: Path) -> None:
    data = str(Path(__file__).parents[2] / "data" / "zh_hk.jsonl")
    options = ("--head", "words", "--precision", "int8", "--data", data)
    done = run("zh", str(tmp_path / "out"), *options, "--max-drop", "5")
    assert done.returncode == 0, done.stderr
    assert "note:   words: F1 " in done.stderr
    assert "note:   changed per 1,000 words: words " in done.stderr


def test_misuse_is_told_in_a_line(tmp_path: Path) -> None:
    model = str(build_tagger(tmp_path / "model", heads={"words": WORDS}))
    found = run(model, str(tmp_path / "out"), "--precision", "int4")
    assert found.returncode != 0
    assert "precision ['int4']: not known for ONNX; expected some of float32, int8, float16" in found.stderr
    assert not (tmp_path / "out").exists()
    found = run(model, str(tmp_path / "out"), "--check", "--head", "words")
    assert "leave --head out" in found.stderr
    assert "OUT: not given; expected the new folder" in run(model).stderr

"""The recipe of the bundled model runs whole, in small, and gives a folder that reads both scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lexel

ROOT = Path(__file__).parents[2]


def make(corpora: Path, work: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "recipes/zh/make.py", "--corpora", corpora, "--work", work, "--out", out]
    return subprocess.run(
        [*map(str, command), "--fast", "--processes", "1"], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def made(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The working folder and the finished folder of one run."""
    work, out = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("made") / "zh"
    run = make(corpora, work, out)
    assert run.returncode == 0, run.stderr
    return work, out


def test_the_finished_folder_reads_both_scripts(made: tuple[Path, Path]) -> None:
    nlp = lexel.load(made[1])
    assert set(nlp.layers) == {"words", "pos", "entities"}
    for text in ("他在北京的大学工作。", "他在北京的大學工作。"):
        assert "".join(word.text for word in nlp(text).words) == text


def test_its_card_names_every_source_of_the_last_stage(made: tuple[Path, Path]) -> None:
    card = (made[1] / "README.md").read_text(encoding="utf-8")
    assert all(name in card for name in ("zh_gsdsimp", "zh_gsd", "zh_aishell_ner"))


def test_the_traditional_form_has_the_labels_of_the_simplified_one(made: tuple[Path, Path]) -> None:
    forms = [
        [json.loads(line) for line in (made[0] / "relabelled" / f"tatoeba.{script}.jsonl").read_bytes().splitlines()]
        for script in ("simplified", "traditional")
    ]
    assert len(forms[0]) > 10
    assert [record["words"] for record in forms[0]] == [record["words"] for record in forms[1]]
    assert [record["text"] for record in forms[0]] != [record["text"] for record in forms[1]]


def test_the_same_command_again_does_nothing_twice(corpora: Path, made: tuple[Path, Path], tmp_path: Path) -> None:
    run = make(corpora, made[0], tmp_path / "again")
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("done before") == 7
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (made[1] / "model.safetensors").read_bytes()

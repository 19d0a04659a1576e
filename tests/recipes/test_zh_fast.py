"""The recipe of the fast model for words runs whole, in small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lexel

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The working folder and the finished folder of one run."""
    work, out = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("made") / "zh-fast"
    command = [sys.executable, ROOT / "recipes/zh_fast/make.py", "--corpora", corpora, "--work", work, "--out", out]
    run = subprocess.run(
        [*map(str, command), "--fast", "--processes", "1"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return work, out


def test_the_finished_folder_gives_words_alone(made: tuple[Path, Path]) -> None:
    nlp = lexel.load(made[1])
    assert set(nlp.layers) == {"words"}
    for text in ("他在北京的大学工作。", "他在北京的大學工作。"):
        assert "".join(nlp(text).words.texts) == text


def test_it_is_small_and_has_a_graph_in_eight_bits(made: tuple[Path, Path]) -> None:
    sizes = [path.stat().st_size for path in made[1].iterdir() if path.suffix in (".safetensors", ".bin")]
    assert len(sizes) == 2
    assert max(sizes) < 3_000_000


def test_its_card_names_its_teacher_and_every_source(made: tuple[Path, Path]) -> None:
    card = (made[1] / "README.md").read_text(encoding="utf-8")
    assert all(name in card for name in ("zh_gsd", "zh_gsdsimp", "wikipedia_shards", "`zh`"))

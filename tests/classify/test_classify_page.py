"""What docs/classify.md shows runs: programs, and command lines in a shell, with tiny models under its names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "classify.md").read_text(encoding="utf-8")
_BLOCKS = [dedent(block).lstrip("\n") for block in re.findall(r"^(?: {4}.*\n|\n(?= {4}))+", PAGE, re.MULTILINE)]
PROGRAMS = [block for block in _BLOCKS if "import lexel" in block]
COMMANDS = [block for block in _BLOCKS if block.startswith("$ ")]
DEV = "text\tlabel\n好看\tgood\n难看\tbad\n还行\tso so\n"


@pytest.fixture
def workplace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classifier_folder: Path, nli_folder: Path
) -> dict[str, str]:
    """A folder with the files that the page speaks of; gives the folders that stand for its models."""
    monkeypatch.chdir(tmp_path)
    Path("news.txt").write_text("北京大学在北京。\n\n天下\n", encoding="utf-8")
    Path("dev.tsv").write_text(DEV, encoding="utf-8")
    return {
        "lxyuan/distilbert-base-multilingual-cased-sentiments-student": str(classifier_folder),
        "joeddav/xlm-roberta-large-xnli": str(nli_folder),
    }


def with_tiny_models(block: str, models: dict[str, str]) -> str:
    for name, folder in models.items():
        block = block.replace(name, folder)
    return block


def test_the_page_has_something_to_run() -> None:
    assert (len(PROGRAMS), len(COMMANDS)) == (2, 2)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_page_runs(program: str, workplace: dict[str, str]) -> None:
    exec(compile(with_tiny_models(program, workplace), "classify.md", "exec"), {"__name__": "__main__"})


@pytest.mark.skipif(sys.platform == "win32", reason="the page shows a POSIX shell")
@pytest.mark.parametrize("session", COMMANDS)
def test_the_command_lines_of_the_page_run(session: str, workplace: dict[str, str]) -> None:
    script = "set -e\n" + with_tiny_models(session, workplace).replace("$ ", "")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"PATH": path}, capture_output=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr.decode()


def test_records_that_the_page_shows_can_be_read() -> None:
    import io

    from lexel.data.classified import read_classified

    (block,) = (block for block in _BLOCKS if block.startswith("{"))
    assert [example.labels for example in read_classified(io.StringIO(block))] == [
        ("positive",),
        ("entailment",),
        ("price", "speed"),
    ]

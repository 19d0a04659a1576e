"""What docs/fill.md shows runs, with a tiny model in the place of the real one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import VOCAB

from .conftest import build_masked

PAGE = (Path(__file__).parents[2] / "docs" / "fill.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    \$ (.+)$", PAGE, re.MULTILINE)
PROGRAMS = [
    "\n".join(line[4:] for line in found.splitlines())
    for found in re.findall(r"(?:^    (?!\$).*\n|^\n)+", PAGE, re.MULTILINE)
    if "import" in found
]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model that knows the page's characters, the files that it speaks of, and the process in it."""
    monkeypatch.chdir(tmp_path)
    chars = dict.fromkeys(char for char in PAGE if char > "\u3400" and char not in "龘" and char not in VOCAB)
    build_masked(tmp_path / "bert-base-chinese", "bert", vocab=(*VOCAB, *chars))
    (tmp_path / "in.txt").write_text("他在[MASK]学习。\n\n", encoding="utf-8")
    (tmp_path / "scored.tsv").write_text("perplexity\tpieces\ttext\n3.1\t2\t学习\n\t0\t\n99\t1\t习\n", encoding="utf-8")
    return tmp_path


def test_the_page_has_something_to_run() -> None:
    assert len(COMMANDS) >= 8
    assert len(PROGRAMS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, workplace: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    line = ["bash", "-o", "pipefail", "-c", command]
    result = subprocess.run(line, cwd=workplace, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    if command.startswith("awk"):
        assert result.stdout == "3.1\t2\t学习\n"


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_page_runs(program: str) -> None:
    exec(compile(program, "fill.md", "exec"), {"__name__": "__main__"})

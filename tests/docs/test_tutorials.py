"""The tutorials work as they are written: their blocks run in order, in one folder, as a new user would type them."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL, CHINESE = ((DOCS / name).read_text(encoding="utf-8") for name in ("tutorial.md", "zh/tutorial.md"))
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def console_blocks(page: str) -> list[str]:
    return [body for language, body in _BLOCK.findall(page) if language == "console" and "pip install" not in body]


def commands_and_output(block: str) -> tuple[str, str]:
    """The commands of a block as a script, and what the block shows of their output."""
    lines = block.splitlines()
    n_commands = sum(line.startswith("$ ") for line in lines)
    return "\n".join(line.removeprefix("$ ") for line in lines[:n_commands]), "\n".join(lines[n_commands:])


@pytest.mark.skipif(sys.platform == "win32", reason="the tutorial shows a POSIX shell")
def test_the_tutorial_works_from_its_first_block_to_its_last(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = os.environ | {"PATH": path, "PYTHONIOENCODING": "utf-8"}
    for script, shown in map(commands_and_output, console_blocks(TUTORIAL)):
        line = ["bash", "-e", "-o", "pipefail", "-c", script]
        result = subprocess.run(line, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{script}\n{result.stderr}"
        assert not shown or result.stdout.rstrip() == shown.rstrip(), script


def test_the_tutorial_prints_what_it_shows_in_python() -> None:
    test = doctest.DocTestParser().get_doctest(TUTORIAL.replace("```", ""), {}, "tutorial.md", "tutorial.md", 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_chinese_tutorial_has_the_same_blocks() -> None:
    assert _BLOCK.findall(CHINESE) == _BLOCK.findall(TUTORIAL)

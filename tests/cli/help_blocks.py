"""The help of every command as it stands in ``docs/command-line.md``; run it as a module to write it there.

python -m tests.cli.help_blocks
"""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from lexel.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
_BLOCK = re.compile(r"```console\n\$ lexel ((?:[a-z]+ )?)--help\n.*?```\n", re.DOTALL)


def help_of(command: str) -> str:
    """What ``lexel COMMAND --help`` says on a terminal of 80 columns, without colour."""
    variables = {"COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="lexel", env=variables)
    assert result.exit_code == 0, result.output
    return "\n".join(line.rstrip() for line in result.output.strip("\n").splitlines()) + "\n"


def with_help(page: str) -> str:
    """The page with every block of help as the command says it now."""
    return _BLOCK.sub(lambda match: f"```console\n$ lexel {match[1]}--help\n{help_of(match[1])}```\n", page)


def commands_shown(page: str) -> list[str]:
    """The commands whose help stands on the page; ``""`` is that of ``lexel`` itself."""
    return [match[1].strip() for match in _BLOCK.finditer(page)]


if __name__ == "__main__":
    PAGE.write_text(with_help(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

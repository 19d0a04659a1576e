"""The help of every command as it stands in ``docs/command-line.md``; run it as a module to write it there.

python -m tests.cli.help_blocks
"""

from __future__ import annotations

import re
from pathlib import Path

from typer.models import CommandInfo
from typer.testing import CliRunner

from lexel.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
_BLOCK = re.compile(r"```console\n\$ lexel ((?:[a-z]+ )*)--help\n.*?```\n", re.DOTALL)


def help_of(command: str) -> str:
    """What ``lexel COMMAND --help`` says on a terminal of 80 columns, without colour."""
    variables = {"COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="lexel", env=variables)
    assert result.exit_code == 0, result.output
    return "\n".join(line.rstrip() for line in result.output.strip("\n").splitlines()) + "\n"


def commands() -> list[str]:
    """The commands in the order of ``lexel --help``; those of a group by two words, behind the group."""
    names = [_name(command) for command in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        name = str(group.name or group.typer_instance.info.name)
        names += [name, *(f"{name} {_name(command)}" for command in group.typer_instance.registered_commands)]
    return names


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "")


def with_help(page: str) -> str:
    """The page with the help of every command as it says it now, in the order of ``lexel --help``."""
    before = page[: match.start()] if (match := _BLOCK.search(page)) else page
    blocks = [
        f"```console\n$ lexel {name}--help\n{help_of(name)}```\n" for name in ("", *(f"{one} " for one in commands()))
    ]
    return before + "\n".join(blocks)


def commands_shown(page: str) -> list[str]:
    """The commands whose help stands on the page; ``""`` is that of ``lexel`` itself."""
    return [match[1].strip() for match in _BLOCK.finditer(page)]


if __name__ == "__main__":
    PAGE.write_text(with_help(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

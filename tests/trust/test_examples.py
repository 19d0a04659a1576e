"""The examples of the repository and of the page are what they claim to be."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from lexel.cli.app import app
from lexel.trust.policy import read_policy

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "trust"
PAGE = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((EXAMPLES / "github-action.yml").read_text(encoding="utf-8"))
HOOKS = yaml.safe_load((EXAMPLES / "pre-commit-config.yaml").read_text(encoding="utf-8"))


def commands() -> list[str]:
    steps = [step["run"] for step in WORKFLOW["jobs"]["check"]["steps"] if "run" in step]
    hooks = [hook["entry"] for repo in HOOKS["repos"] for hook in repo["hooks"]]
    return [line for line in (*steps, *hooks) if line.startswith("lexel ")]


def test_the_example_policy_is_one() -> None:
    policy = read_policy(EXAMPLES / "lexel.toml")
    assert policy.locked
    assert policy.exceptions[0].who == "Ada Lin"


def test_the_policy_on_the_page_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "lexel.toml").write_text(block, encoding="utf-8")
    assert read_policy(tmp_path / "lexel.toml").largest == 2_000_000_000


@pytest.mark.parametrize("line", commands())
def test_commands_of_the_examples_are_understood(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    assert command.make_context(name, arguments).params["lock"] is True


def test_the_workflow_uploads_what_the_check_writes() -> None:
    steps = WORKFLOW["jobs"]["check"]["steps"]
    (uploaded,) = [step["with"]["sarif_file"] for step in steps if "upload-sarif" in step.get("uses", "")]
    assert any(f"--out {uploaded}" in step.get("run", "") for step in steps)

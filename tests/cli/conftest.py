"""A tiny model, and ``lexel`` as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import ENTITIES, POS, WORDS, build_tagger

signal.signal(signal.SIGINT, signal.default_int_handler)
"""What a shell puts in the background ignores interrupts, and a command would inherit that from this process."""

COMMAND = [sys.executable, "-c", "import sys; from lexel.cli.main import run; sys.exit(run())"]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of all three layers, whose card names no licence."""
    folder = tmp_path_factory.mktemp("models") / "joint"
    heads = {"words": WORDS, "pos": POS, "entities": ENTITIES}
    return build_tagger(folder, heads=heads, pieces="chars", seed=2)  # a seed whose labels vary


@pytest.fixture(scope="session")
def environment(model: Path) -> dict[str, str]:
    """The variables of a command that reads with the tiny model, on the engine that starts fastest."""
    others = ("LEXEL_", "NO_COLOR", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return kept | {"LEXEL_MODEL": str(model), "LEXEL_ENGINE": "numpy", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}


@pytest.fixture(scope="session")
def lexel(environment: dict[str, str]) -> Run:
    """Run ``lexel`` with arguments, standard input and further variables."""

    def run(*arguments: str | Path, input: str | bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            input=input.encode() if isinstance(input, str) else input,
            capture_output=True,
            env=environment | variables,
            timeout=120,
            check=False,
        )

    return run


def one_error(result: subprocess.CompletedProcess[bytes], *, status: int = 1) -> str:
    """The one line that a failed command said."""
    said = result.stderr.decode()
    assert result.returncode == status, said
    assert said.startswith("lexel: error: ")
    assert said.count("\n") == 1
    assert said.endswith("\n")
    return said

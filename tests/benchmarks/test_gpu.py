"""The benchmark for a GPU runs to its end without one, and then says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROWS = (
    "bf16 matrix products at BERT's shapes",
    "encoder alone, bf16, batches that lie ready",
    "encoder alone, bf16, batches that lie ready, share of the products",
    "everything but the encoder",
    "Lexel bf16",
    "transformers pipeline",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one quick run on the processor keeps, and what it prints under ``printed``."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks.gpu", "--quick", "--device", "cpu", "--save", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (path,) = folder.iterdir()
    return json.loads(path.read_text(encoding="utf-8")) | {"printed": run.stdout}


def test_every_figure_is_measured(saved: Any) -> None:
    (part,) = saved["parts"]
    assert tuple(row["name"] for row in part["rows"]) == ROWS
    assert [row["name"] for row in part["rows"] if min(row["series"]["values"]) <= 0] == []


def test_without_a_gpu_no_goal_is_met_or_missed(saved: Any) -> None:
    (part,) = saved["parts"]
    assert [(bar["bar"], bar["value"], bar["is_met"]) for bar in part["bars"]] == [
        (50.0, None, None),
        (20.0, None, None),
    ]


def test_without_a_gpu_it_says_so(saved: Any) -> None:
    assert "no GPU here" in saved["printed"]
    assert saved["settings"]["device"]["name"] == "the processor"

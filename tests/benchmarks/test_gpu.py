"""The benchmark for a GPU runs to its end without one, and then says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import bound_by

ROOT = Path(__file__).parents[2]
ROWS = (
    "bf16 matrix products at BERT's shapes",
    "encoder alone, bf16, batches that lie ready (bound by the device)",
    "encoder alone, bf16, batches that lie ready (bound by the device), share of the products",
    "everything but the encoder, one core (bound by the host)",
    "Lexel bf16",
    "transformers pipeline",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one run without a GPU and options keeps, and what it prints under ``printed``."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks.gpu", "--save", str(folder)]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(command, cwd=ROOT, env=hidden, capture_output=True, text=True, check=False)
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


@pytest.mark.parametrize(("host", "encoder", "slower"), [(10.0, 40.0, "the host"), (40.0, 10.0, "the device")])
def test_the_slower_of_two_rates_is_named(host: float, encoder: float, slower: str) -> None:
    assert bound_by(host=host, encoder=encoder).startswith(f"text to Documents is bound by {slower}: ")
    assert bound_by(host=host, encoder=encoder).endswith("could do 4.0 times as much")


def test_which_rate_decides_is_printed(saved: Any) -> None:
    assert "text to Documents is bound by the " in saved["printed"]


def test_a_gpu_that_is_not_there_is_one_line() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cuda:7"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "device 'cuda:7' asked for, but PyTorch sees" in run.stderr.splitlines()[-1]

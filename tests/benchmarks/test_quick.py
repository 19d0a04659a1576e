"""The benchmark runs, whole, in small: nobody reads its figures here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.account import TITLE
from benchmarks.machine import has_bf16, has_int8

ROOT = Path(__file__).parents[2]
BARS = 23


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one quick run keeps, and what it prints under ``printed``."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--save", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (path,) = folder.iterdir()
    return json.loads(path.read_text(encoding="utf-8")) | {"printed": run.stdout}


def test_every_bar_of_the_table_is_measured_where_the_machine_can(saved: Any) -> None:
    bars = [bar for part in saved["parts"] for bar in part["bars"]]
    assert len(bars) == BARS
    lacking = [name for name, has in (("bf16", has_bf16()), ("int8", has_int8())) if not has]
    unmeasured = [bar["figure"] for bar in bars if bar["value"] is None]
    assert [figure for figure in unmeasured if not any(name in figure for name in lacking)] == []


def test_every_series_holds_one_value_for_each_repetition(saved: Any) -> None:
    rows = [row for part in saved["parts"] for row in part["rows"]]
    assert [row["name"] for row in rows if len(row["series"]["values"]) != 1] == []
    assert [row["name"] for row in rows if row["unit"] != "%" and row["series"]["values"][0] <= 0] == []


@pytest.mark.skipif(not has_bf16(), reason="bf16 is not native here")
def test_the_account_of_the_time_leaves_nothing_out(saved: Any) -> None:
    (account,) = [part for part in saved["parts"] if part["name"] == TITLE]
    assert sum(row["series"]["values"][0] for row in account["rows"]) == pytest.approx(100)


def test_the_machine_and_the_versions_are_printed(saved: Any) -> None:
    printed = " ".join(saved["printed"].split())
    assert saved["machine"]["processor"] in printed
    assert f"transformers {saved['machine']['versions']['transformers']}" in printed

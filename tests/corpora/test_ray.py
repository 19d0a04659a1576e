"""The Ray runner makes the same shards: a killed actor costs a shard, a killed driver a run, and nothing is lost."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lexel.corpora.steps import Shard
from lexel.data.records import Record
from tests.corpora.conftest import lines_of

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None or sys.platform == "win32", reason="needs Ray")
ROOT = Path(__file__).parents[2]
LEXEL = [sys.executable, "-c", "import sys; from lexel.cli.main import run; sys.exit(run())"]


def dies_once(records: list[Record], shard: Shard, *, mark: str) -> list[Record]:
    """Kill the actor at its third shard, the first time."""
    if shard.number == 2 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return records


def is_slow(records: list[Record], shard: Shard) -> list[Record]:
    time.sleep(0.3)
    return records


def command(corpus: Path, out: Path, recipe: str) -> list[str]:
    steps = out.with_suffix(".yaml")
    steps.write_text(recipe, encoding="utf-8")
    small = ["--shard-records", "4", "--workers", "1", "--ray", "local"]
    return [*LEXEL, "corpus", "run", str(corpus), "--out", str(out), "--steps", str(steps), *small]


@pytest.fixture
def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "RAY_USAGE_STATS_ENABLED": "0"}


def test_a_killed_actor_costs_one_shard(corpus: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    mark = tmp_path / "mark"
    recipe = f"- function: {{call: 'tests.corpora.test_ray:dies_once', options: {{mark: {mark}}}}}\n"
    out = tmp_path / "out"
    ran = subprocess.run(command(corpus, out, recipe), env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert mark.exists()
    assert [one["n"] for one in lines_of(out)] == list(range(25))
    assert '"workers_lost": 1' in (out / "status.json").read_text(encoding="utf-8")


def test_a_killed_driver_is_gone_on_from(corpus: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "out"
    asked = command(corpus, out, "- function: {call: 'tests.corpora.test_ray:is_slow'}\n")
    with subprocess.Popen(asked, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until = time.monotonic() + 60
        while not list((out / "shards").glob("part-*.json")) and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
    n_whole = len(list((out / "shards").glob("part-*.json")))
    assert 0 < n_whole < 7
    assert subprocess.run(asked, env=environment, capture_output=True, check=False).returncode == 0
    assert [one["n"] for one in lines_of(out)] == list(range(25))
    assert subprocess.run([*LEXEL, "corpus", "verify", str(out)], env=environment, check=False).returncode == 0

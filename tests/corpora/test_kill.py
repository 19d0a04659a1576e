"""SIGKILL on workers, driver and group: nothing is lost or doubled. ``kill_corpus`` does it 50 times."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.corpora.kill_corpus import Killed


@pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc")
def test_killed_jobs_lose_and_double_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setenv("LEXEL_ENGINE", "numpy")
    killed = Killed(tmp_path, records=400, shard_records=10, seed=1, steps=f"- tag: {{model: {model}}}\n")
    killed.kill(6)
    assert killed.problems == []
    assert (killed.found["records lost"], killed.found["records doubled"]) == (0, 0)
    assert killed.found["killed: worker"] + killed.found["killed: driver"] + killed.found["killed: group"] == 6

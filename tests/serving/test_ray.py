"""Ray Serve: two replicas, one killed under load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("ray.serve", reason="Ray Serve is not installed; pip install lexel[ray]", exc_type=ImportError)


def test_every_request_is_answered_while_a_replica_is_killed() -> None:
    command = [sys.executable, "-m", "tests.serving.ray_under_load"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))  # Ray prints, too
    assert found["replicas"] == 2
    assert found["before"] > 0
    assert found["outcomes"].keys() == {"answered"}
    assert found["outcomes"]["answered"] > found["before"]

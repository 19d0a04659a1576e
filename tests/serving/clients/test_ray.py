"""Ray Serve: two replicas, one killed under load; and replicas that hold one model each."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("ray.serve", reason="Ray Serve is not installed; pip install lexel[ray]", exc_type=ImportError)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the two scenes gave."""
    command = [sys.executable, "-m", "tests.serving.clients.ray_under_load"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    scenes: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return scenes  # other lines are Ray's


def test_every_request_is_answered_while_a_replica_is_killed(found: dict[str, Any]) -> None:
    killed = found["killed"]
    assert killed["replicas"] == 2
    assert killed["outcomes"].keys() == {"asked", "answered"}
    assert killed["outcomes"]["answered"] == killed["outcomes"]["asked"] > killed["before"] > 0


def test_a_request_gets_the_model_that_it_names_from_replicas_with_one_each(found: dict[str, Any]) -> None:
    assert found["apart"]["answers"] == ["first", "second", "first", "second", "first"]
    assert found["apart"]["by_path"] == "second"


def test_models_on_different_replicas_are_listed_together(found: dict[str, Any]) -> None:
    assert found["apart"]["listed"] == ["first", "second"]
    status, said = found["apart"]["unknown"]
    assert status == 404
    assert said["error"] == "no model 'third'; this server has first, second"


def test_a_fault_in_a_replica_is_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    from ray.exceptions import RayTaskError

    from lexel.serving.ray import Front

    class Replicas:
        n_calls = 0

        @property
        def answer(self) -> Any:
            return self

        async def remote(self, *_: Any) -> None:
            self.n_calls += 1
            raise RayTaskError("answer", "the place in the code", KeyError("secret"))

    replicas = Replicas()
    with caplog.at_level(logging.ERROR, logger="lexel.serving"):
        answer = asyncio.run(Front(replicas, ())._passed_on(replicas, {"path": "/v1/tag"}, b"{}"))
    assert (answer.status_code, replicas.n_calls) == (500, 1)
    assert b"internal error" in answer.body
    assert "the place in the code" in caplog.text

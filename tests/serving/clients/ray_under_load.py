"""Replicas under Ray Serve: one is killed under load, and others hold one model each. Prints as JSON what came of it.

python -m tests.serving.clients.ray_under_load
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

from lexel.engines.choose import EngineOptions
from lexel.serving.options import ModelSpec
from lexel.serving.ray import build_deployment

import ray  # isort: skip
from ray import serve  # isort: skip

TEXT = "他在北京，她在東京。"
N_ASKERS = 8


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str, path: str, body: Any = None) -> tuple[int, Any]:
    """The status and the JSON of an answer; 0 and the error if there was none."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")
    except OSError as error:
        return 0, type(error).__name__


def pids_of(app: str, n_replicas: int) -> set[int]:
    """The processes of an application's replicas."""
    handle = serve.get_deployment_handle("Replica", app)
    pids: set[int] = set()
    ends = time.monotonic() + 30
    while len(pids) < n_replicas and time.monotonic() < ends:
        pids.add(handle.process_id.remote().result(timeout_s=30))
    return pids


def kill_one_under_load(url: str) -> dict[str, Any]:
    """Keep asking, kill a replica, and count what was asked and what was answered."""
    serve.run(
        build_deployment(engine=EngineOptions(threads=1), num_replicas=2, ray_actor_options={"num_cpus": 1}),
        name="all",
        route_prefix="/all",
    )
    outcomes: Counter[str] = Counter()
    ends = threading.Event()

    def keep_asking() -> None:
        while not ends.is_set():
            outcomes["asked"] += 1
            status, found = ask(url, "/all/v1/segment", {"text": TEXT})
            is_right = status == 200 and found["results"][0]["text"] == TEXT
            outcomes["answered" if is_right else str(status or found)] += 1

    pids = pids_of("all", 2)
    askers = [threading.Thread(target=keep_asking) for _ in range(N_ASKERS)]
    for asker in askers:
        asker.start()
    time.sleep(2)
    before = outcomes["answered"]
    os.kill(min(pids), signal.SIGKILL)
    time.sleep(4)
    ends.set()
    for asker in askers:
        asker.join()
    serve.delete("all")
    return {"replicas": len(pids), "before": before, "outcomes": dict(outcomes)}


def ask_models_apart(url: str) -> dict[str, Any]:
    """Two models on replicas that hold one each, as many replicas as Ray thinks fit."""
    serve.run(
        build_deployment(
            [ModelSpec("first", None), ModelSpec("second", None)],
            engine=EngineOptions(threads=1),
            models_per_replica=1,
            autoscaling_config={"min_replicas": 1, "max_replicas": 2},
            ray_actor_options={"num_cpus": 1},
        ),
        name="apart",
        route_prefix="/apart",
    )
    names = ["first", "second", None, "second", "first"]
    bodies = [{"text": TEXT} | ({} if name is None else {"model": name}) for name in names]
    return {
        "answers": [ask(url, "/apart/v1/segment", body)[1].get("model") for body in bodies],
        "by_path": ask(url, "/apart/v2/models/second")[1].get("name"),
        "listed": [one["id"] for one in ask(url, "/apart/v1/models")[1]["data"]],
        "unknown": ask(url, "/apart/v1/segment", {"text": TEXT, "model": "third"}),
    }


def main() -> None:
    """Run both scenes."""
    port = free_port()
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    url = f"http://127.0.0.1:{port}"
    print(json.dumps({"killed": kill_one_under_load(url), "apart": ask_models_apart(url)}), flush=True)
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()

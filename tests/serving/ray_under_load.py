"""Two replicas under load, one of which is killed: prints as JSON what came of the requests.

python -m tests.serving.ray_under_load
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

from lexel.engines.choose import EngineOptions
from lexel.serving.ray import build_deployment

import ray  # isort: skip
from ray import serve  # isort: skip

TEXT = "他在北京，她在東京。"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str) -> str:
    body = json.dumps({"text": TEXT}).encode()
    asked = urllib.request.Request(url + "/v1/segment", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            found = json.loads(answer.read())
        return "answered" if found["results"][0]["text"] == TEXT else "wrong"
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError as error:
        return type(error).__name__


def main() -> None:
    """Run the scene."""
    port = free_port()
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(
        build_deployment(
            engine=EngineOptions(threads=1),
            num_replicas=2,
            ray_actor_options={"num_cpus": 1},
        ),
        name="lexel",
    )
    url = f"http://127.0.0.1:{port}"
    outcomes: Counter[str] = Counter()
    asks = threading.Event()

    def keep_asking() -> None:
        while not asks.is_set():
            outcomes[ask(url)] += 1

    replicas = serve.get_deployment_handle("Replica", "lexel")
    pids: set[int] = set()
    ends = time.monotonic() + 30
    while len(pids) < 2 and time.monotonic() < ends:
        pids.add(replicas.process_id.remote().result(timeout_s=30))
    askers = [threading.Thread(target=keep_asking) for _ in range(8)]
    for asker in askers:
        asker.start()
    time.sleep(2)
    before = sum(outcomes.values())
    os.kill(min(pids), signal.SIGKILL)
    time.sleep(4)
    asks.set()
    for asker in askers:
        asker.join()
    print(json.dumps({"replicas": len(pids), "before": before, "outcomes": dict(outcomes)}), flush=True)
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()

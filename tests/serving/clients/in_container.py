"""Runs a container's commands where it is called, and prints as JSON what came of them.

python in_container.py SETTINGS.json, an object with ``environment``, ``entry``, ``health`` and ``place`` (its files)
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

PATIENCE_S = 120
URL = "http://127.0.0.1:8000"


def is_writable(folder: str) -> bool:
    """Whether a file can be made in a folder."""
    try:
        (Path(folder) / "probe").touch()
    except OSError:
        return False
    return True


def is_healthy(command: list[str], environment: dict[str, str]) -> bool:
    return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False).returncode == 0


def main() -> None:
    """Start the server, ask the health check until it is content, send a text, stop."""
    settings: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    environment = settings["environment"]
    with subprocess.Popen(settings["entry"], env=environment, stderr=subprocess.PIPE, text=True) as server:
        ends = time.monotonic() + PATIENCE_S
        while not (healthy := is_healthy(settings["health"], environment)) and time.monotonic() < ends:
            if server.poll() is not None:
                sys.exit(server.stderr.read() if server.stderr else "it ended")
            time.sleep(0.5)
        body = json.dumps({"text": "他在北京。"}).encode()
        asked = urllib.request.Request(URL + "/v1/segment", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            found = json.loads(answer.read())
        server.terminate()
        server.communicate()
    outcome = {
        "user": os.getuid(),
        "healthy": healthy,
        "words": [word["text"] for word in found["results"][0]["words"]],
        "status": server.returncode,
        "writable": [folder for folder in (settings["place"], "/", "/var/tmp", "/tmp") if is_writable(folder)],
        "networks": [name for _, name in socket.if_nameindex()],
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()

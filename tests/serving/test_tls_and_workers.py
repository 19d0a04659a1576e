"""HTTPS, and several processes behind one port."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.serving.live import LiveServer, serving


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine and its key."""
    places = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", places[0], "-keyout", places[1]], check=True, capture_output=True)
    return places


def test_a_certificate_makes_it_https(certificate: tuple[Path, Path]) -> None:
    options = ["--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1])]
    server = LiveServer(options)
    try:
        assert server.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        with urllib.request.urlopen(server.url + "/health", context=trusting, timeout=10) as answer:
            assert answer.status == 200
        assert server.stop() == 0
    finally:
        server.process.kill()
        server.close()


def test_a_worker_that_is_killed_is_replaced_and_the_others_answer() -> None:
    with serving("--workers", "2", "--threads", "1") as server:
        parent = psutil.Process(server.process.pid)
        victim = workers_of(parent)[0]
        os.kill(victim.pid, signal.SIGKILL)
        ends = time.monotonic() + 60
        while len({one.pid for one in workers_of(parent)} - {victim.pid}) < 2 and time.monotonic() < ends:
            assert outcome(server) in (0, 200)  # 0: a connection that the dead worker had taken
            time.sleep(0.1)
        assert len({one.pid for one in workers_of(parent)} - {victim.pid}) == 2
        assert outcome(server) == 200
        assert "another is started" in "".join(server.log)
        assert server.stop() == 0


def test_workers_end_with_the_process_that_started_them() -> None:
    with serving("--workers", "2", "--threads", "1") as server:
        workers = workers_of(psutil.Process(server.process.pid))
        server.process.kill()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert len(workers) == 2
        assert alive == []


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    """The processes that answer; Python's tracker of resources is one of the children, too."""
    return [one for one in parent.children() if "spawn_main" in command_of(one)]


def command_of(process: psutil.Process) -> str:
    """Its command; empty for one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def outcome(server: LiveServer) -> int:
    try:
        return server.outcome("/v1/segment", {"text": "好"})
    except OSError:
        return 0

"""A server as its users run it: a process of its own, on a free port of this machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class LiveServer:
    """A running ``lexel serve``.

    Attributes:
        url: Where it listens, without a slash at the end.
        process: The process.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lexel", "serve", "--port", "0", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.log: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"listening on (\S+)/$", line.strip()):
                self.url = found[1]
                break
        else:
            self.process.stderr.close()
            self.process.wait()
            raise AssertionError("".join(self.log))
        self._following = threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True)
        self._following.start()

    def wait_ready(self, timeout_s: float = 180) -> None:
        """Wait until models are warm."""
        ends = time.monotonic() + timeout_s
        while time.monotonic() < ends:
            if self.status("/ready") == 200:
                return
            assert self.process.poll() is None, "".join(self.log)
            time.sleep(0.05)
        raise AssertionError(f"not ready within {timeout_s} s: {''.join(self.log)}")

    def status(self, path: str) -> int:
        """The status of a GET, 0 while nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """The JSON that a POST gives; an error's body is raised as ``Failed``."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"} | (headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise Failed(error.code, json.loads(error.read() or b"{}"), dict(error.headers)) from None

    def outcome(self, path: str, body: Any) -> int:
        """The status of a POST."""
        try:
            self.post(path, body)
        except Failed as failed:
            return failed.status
        return 200

    def get(self, path: str) -> Any:
        """The JSON that a GET gives."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def close(self) -> None:
        """Take leave of a process that has ended."""
        self.process.wait()
        self._following.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def stop(self) -> int:
        """Ask it to stop; its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def status_of(url: str, method: str, body: Any) -> int:
    """The status of a request; numbers that JSON does not have are sent as Python writes them."""
    data = None if method == "GET" else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


class Failed(Exception):  # noqa: N818 (an answer, not a fault of the test)
    """An answer that is an error."""

    def __init__(self, status: int, body: Any, headers: dict[str, str]) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers


@contextmanager
def serving(*arguments: str) -> Iterator[LiveServer]:
    """A ready server, stopped at the end."""
    server = LiveServer(arguments)
    try:
        server.wait_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.close()

"""A stand-in for the hub on 127.0.0.1: as much of its HTTP interface as downloading a model needs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest


@dataclass
class Repository:
    """One repository: its files, and the commit that each revision stands for; and how it may misbehave.

    It may answer late, with garbage in place of JSON, or break off in the middle of a file.
    """

    files: dict[str, bytes]
    revisions: dict[str, str]
    gated: bool = False
    status: int = 200
    late_s: float = 0.0
    garbage: bytes | None = None
    cut_off: bool = False
    knows_ranges: bool = True
    open_threads: int = 0


@dataclass
class Hub:
    """The repositories served, and the requests that came in."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""
    sent: int = 0


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve a hub in a thread until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def served(hub: Hub, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """Serve a hub to the hub library of this process, with an empty cache and no token."""
    import huggingface_hub.constants as constants
    from huggingface_hub.utils import _http

    monkeypatch.setenv("LEXEL_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with serve(hub):
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub
    _http.close_session()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            hub.requests.append(f"{self.command} /{path}")
            if path.startswith("api/models/"):
                self.answer_api(path.removeprefix("api/models/"))
            else:
                self.answer_file(path)

        def answer_api(self, path: str) -> None:
            found = (
                self.find(path, "/revision/") or self.find(path, "/tree/") or self.find(path, "/discussions", rest="-")
            )
            if found is None and path in hub.repositories:
                found = path, hub.repositories[path], "main"
            if found is None:
                return self.refuse(401, "RepoNotFound")
            name, repository, rest = found
            commit = self.commit_of(repository, rest.split("/")[0]) if rest != "-" else "-"
            time.sleep(repository.late_s)
            if repository.garbage is not None:
                return self.send(repository.garbage)
            if repository.status != 200:
                return self.refuse(repository.status, "")
            if path.endswith("/discussions"):
                return self.send(json.dumps(self.threads(repository)).encode())
            if commit is None:
                return self.refuse(404, "RevisionNotFound")
            if "/tree/" in path:
                return self.send(json.dumps([self.tree_entry(*item) for item in repository.files.items()]).encode())
            siblings = [self.sibling(*item) for item in repository.files.items()]
            values = {"id": name, "sha": commit, "siblings": siblings, "lastModified": "2026-03-01T12:00:00.000Z"}
            return self.send(json.dumps(values).encode())

        def sibling(self, file: str, content: bytes) -> dict[str, object]:
            """A file as the listing has it; large ones with their SHA-256."""
            checksum = hashlib.sha256(content).hexdigest()
            lfs = {"lfs": {"sha256": checksum, "size": len(content), "pointerSize": 134}}
            is_large = file.endswith((".safetensors", ".bin"))
            return {"rfilename": file, "size": len(content), "blobId": checksum[:40], **(lfs if is_large else {})}

        def threads(self, repository: Repository) -> dict[str, object]:
            author = {"name": "someone"}
            thread = {"title": "?", "status": "open", "repo": {"name": "x", "type": "model"}, "isPullRequest": False}
            listed = [
                {**thread, "num": n, "author": author, "createdAt": "2026-03-01T12:00:00.000Z"}
                for n in range(repository.open_threads)
            ]
            return {"discussions": listed, "count": len(listed), "start": 0}

        def answer_file(self, path: str) -> None:
            found = self.find(path, "/resolve/")
            if found is None:
                return self.refuse(401, "RepoNotFound")
            _, repository, rest = found
            revision, _, file = rest.partition("/")
            if repository.gated:
                return self.refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")
            commit = self.commit_of(repository, revision)
            if file not in repository.files or commit is None:
                return self.refuse(404, "EntryNotFound")
            content = repository.files[file]
            time.sleep(repository.late_s)
            etag = hashlib.sha1(content).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit}
            if repository.cut_off and self.command == "GET":
                return self.send_part(content, headers)
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            if asked and repository.knows_ranges:
                start, end = int(asked[1]), min(int(asked[2]), len(content) - 1)
                headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
                return self.send(content[start : end + 1], headers, 206)
            return self.send(content, headers)

        def send_part(self, content: bytes, headers: dict[str, str]) -> None:
            """Half of what was announced, then silence."""
            self.send_response(200)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True

        def find(self, path: str, separator: str, *, rest: str = "") -> tuple[str, Repository, str] | None:
            name, found, behind = path.partition(separator)
            rest = behind or (rest if found else "")
            repository = hub.repositories.get(name)
            return (name, repository, rest) if repository and rest else None

        def commit_of(self, repository: Repository, revision: str) -> str | None:
            return revision if revision in repository.revisions.values() else repository.revisions.get(revision)

        def tree_entry(self, file: str, content: bytes) -> dict[str, object]:
            return {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

        def send(self, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                hub.sent += len(body)
                self.wfile.write(body)

        def refuse(self, status: int, code: str) -> None:
            self.send(b"{}", {"X-Error-Code": code} if code else {}, status)

    return Handler

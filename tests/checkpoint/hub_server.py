"""A stand-in for the hub on 127.0.0.1: as much of its HTTP interface as downloading a model needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """One repository: its files, and the commit that each revision stands for."""

    files: dict[str, bytes]
    revisions: dict[str, str]
    gated: bool = False
    status: int = 200


@dataclass
class Hub:
    """The repositories served, and the requests that came in."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""


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
            found = self.find(path, "/revision/") or self.find(path, "/tree/")
            if found is None:
                return self.refuse(401, "RepoNotFound")
            name, repository, rest = found
            commit = self.commit_of(repository, rest.split("/")[0])
            if repository.status != 200:
                return self.refuse(repository.status, "")
            if commit is None:
                return self.refuse(404, "RevisionNotFound")
            if "/tree/" in path:
                return self.send(json.dumps([self.tree_entry(*item) for item in repository.files.items()]).encode())
            siblings = [{"rfilename": file} for file in repository.files]
            return self.send(json.dumps({"id": name, "sha": commit, "siblings": siblings}).encode())

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
            etag = hashlib.sha1(content).hexdigest()
            return self.send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})

        def find(self, path: str, separator: str) -> tuple[str, Repository, str] | None:
            name, _, rest = path.partition(separator)
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
                self.wfile.write(body)

        def refuse(self, status: int, code: str) -> None:
            self.send(b"{}", {"X-Error-Code": code} if code else {}, status)

    return Handler

"""The outer layer of every request: a request id, the API key, the body's limit. Answers are counted and logged."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Mapping
from itertools import count
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lexel.serving.access import ApiKeys, bearer
from lexel.serving.failures import BodyTooLarge, failure_record
from lexel.serving.metrics import Metrics
from lexel.serving.options import ServerOptions
from lexel.serving.records import json_bytes

OPEN = frozenset(("/health", "/ping", "/ready", "/v2/health/live", "/v2/health/ready"))
"""Paths that need no key, so that probes work."""

PASSED_OVER = 4
"""A refused body is still read up to this many times the limit."""

_PROCESS = secrets.token_hex(6)
_NUMBERS = count(1)
"""Request ids are a random name of the process and a number: this saves a system call for each request."""

_REQUEST_ID = re.compile(rb"[\w.:-]{1,64}")

_logger = logging.getLogger("lexel.serving.access")


class Front:
    """An ASGI application around the routes.

    Args:
        app: The routes.
        options: The server's limits.
        keys: The API keys; without them, all requests are accepted.
        metrics: The counters.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions, *, keys: ApiKeys | None, metrics: Metrics) -> None:
        self._app = app
        self._options = options
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see the ASGI specification."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._options.max_body_bytes)
        try:
            await self._answer(exchange, scope)
        finally:
            self._note(exchange, scope)

    async def _answer(self, exchange: _Exchange, scope: Scope) -> None:
        if self._keys is not None and scope["path"] not in OPEN and not self._keys.allows(_key(exchange.headers)):
            await exchange.refuse(401, "no valid API key; expected Authorization: Bearer KEY")
            return
        length = exchange.headers.get(b"content-length", b"")
        most = self._options.max_body_bytes
        if length.isdigit() and int(length[:15]) > most:
            await exchange.pass_over()
            await exchange.refuse(413, f"a body of {int(length[:15]):,} bytes; expected at most {most:,}")
            return
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except BodyTooLarge as error:
            await exchange.refuse(413, str(error))

    def _note(self, exchange: _Exchange, scope: Scope) -> None:
        seconds = perf_counter() - exchange.started
        route = getattr(scope.get("route"), "path", "unknown")
        status = exchange.status or 499  # the client left before the answer
        if status == 499:
            self._metrics.abandoned.inc()
        self._metrics.count_request(route, status, seconds)
        if self._options.logs_access and scope["path"] not in OPEN:
            line = {
                "id": exchange.id,
                "method": scope.get("method", "WS"),
                "route": route,
                "status": status,
                "ms": round(1000 * seconds, 2),
            }
            _logger.info(json.dumps(line))


class _Exchange:
    """Observes one request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        self._receive = receive
        self._send = send
        self._most = most
        self._n_bytes = 0
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._is_stream = b"ndjson" in self.headers.get(b"content-type", b"")
        self._is_http = scope["type"] == "http"
        self._path = scope["path"]
        given = self.headers.get(b"x-request-id", b"")
        self.id = given.decode() if _REQUEST_ID.fullmatch(given) else f"{_PROCESS}-{next(_NUMBERS):x}"
        self.started = perf_counter()
        self.status = 0 if self._is_http else 101

    async def receive(self) -> Message:
        """The next part of the request; a body beyond the limit is an error. In a stream, the limit is per line."""
        message = await self._receive()
        if message["type"] == "http.request" and not self._is_stream:
            self._n_bytes += len(message.get("body", b""))
            if self._n_bytes > self._most:
                raise BodyTooLarge(f"a body of more than {self._most:,} bytes; send less at a time")
        return message

    async def send(self, message: Message) -> None:
        """A part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]
        await self._send(message)

    async def pass_over(self) -> None:
        """Keep reading after a refusal, up to a limit: many clients read no answer before they have sent everything."""
        n_bytes = 0
        while n_bytes < PASSED_OVER * self._most:
            message = await self._receive()
            n_bytes += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body"):
                return

    async def refuse(self, status: int, said: str) -> None:
        """Answer with an error, unless the answer has begun."""
        if not self._is_http:
            await self._send({"type": "websocket.close", "code": 1008, "reason": said[:120]})
            return
        if self.status:
            return
        body = json_bytes(failure_record(self._path, status, said))
        headers: list[Any] = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _key(headers: Mapping[bytes, bytes]) -> str:
    authorization, key = (headers.get(name, b"").decode("latin-1") for name in (b"authorization", b"x-api-key"))
    return bearer(authorization) or key

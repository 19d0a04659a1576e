"""The same application on many machines: replicas under Ray Serve, and a front that asks another one when one dies.

    from lexel.serving.ray import build_deployment
    serve.run(build_deployment([ModelSpec("zh", None)], num_replicas=4))

Reading a text changes nothing, so a request may be asked again: whatever the front accepted is answered, even if the
replica that was reading it is killed. Requests are passed on whole; line streams and WebSockets need the server itself.

Ray scales and places replicas, and collects usage data unless told not to: this module tells it not to.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray starts

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from starlette.requests import Request
from starlette.responses import Response

from lexel.engines.choose import EngineOptions
from lexel.serving.app import build_app
from lexel.serving.options import ModelSpec, ServerOptions

RETRIES = 20
"""How many times a request is passed on after its replica died."""

PAUSE_S = 0.25
"""Seconds between them, in which Ray notices the death and starts another replica."""


_PASSED_ON = ("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "headers")


class Answer(NamedTuple):
    """An answer on its way from a replica to the front."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Replica:
    """The application in a process of Ray's.

    Args:
        specs: See ``build_app``, as for the others.
        options: See there.
        engine: See there.
    """

    def __init__(self, specs: Sequence[ModelSpec], options: ServerOptions, engine: EngineOptions) -> None:
        self._app = build_app(specs, options=options, engine=engine)
        self._life: Any = None

    async def answer(self, scope: Mapping[str, Any], body: bytes) -> Answer:
        """Answer a request; the first one starts the application."""
        if self._life is None:
            self._life = self._app.router.lifespan_context(self._app)
            await self._life.__aenter__()
        return await _asked(self._app, scope, body)

    def process_id(self) -> int:
        """Which process this is."""
        return os.getpid()


async def _asked(app: Any, scope: Mapping[str, Any], body: bytes) -> Answer:
    """An ASGI application's answer to a whole request."""
    given = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if not given:
            await asyncio.Event().wait()  # the client is the front, and the front stays
        return given.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(dict(scope), receive, send)
    return Answer(sent[0]["status"], sent[0].get("headers", ()), b"".join(part.get("body", b"") for part in sent[1:]))


class Front:
    """Passes requests on to replicas, and asks again if the replica died.

    Args:
        replicas: Ray's handle of the replicas.
    """

    def __init__(self, replicas: Any) -> None:
        self._replicas = replicas

    async def __call__(self, request: Request) -> Response:
        """The answer of a replica; 503 if none lives."""
        scope = {name: request.scope[name] for name in _PASSED_ON} | {"root_path": ""}
        body = await request.body()
        for _ in range(RETRIES):
            try:
                answer = await self._replicas.answer.remote(scope, body)
            except (RayError, RayServeException):
                await asyncio.sleep(PAUSE_S)
                continue
            response = Response(answer.body, answer.status)
            response.raw_headers = list(answer.headers)
            return response
        return Response('{"error": "no replica answers; try again later", "error_type": "draining"}', 503)


def build_deployment(
    specs: Sequence[ModelSpec] = (ModelSpec("zh", None),),
    *,
    options: ServerOptions | None = None,
    engine: EngineOptions | None = None,
    **settings: Any,
) -> Any:
    """A Ray Serve application for ``serve.run``.

    Args:
        specs: The models that each replica has.
        options: Limits of a replica.
        engine: What its engines are started with; a replica should have as many threads as Ray gives it cores.
        settings: Settings of Ray's deployment: ``num_replicas``, ``autoscaling_config``, ``ray_actor_options``.
    """
    replica = serve.deployment(**({"max_ongoing_requests": 256} | settings))(Replica)
    front = serve.deployment(max_ongoing_requests=1024, ray_actor_options={"num_cpus": 0})(Front)
    return front.bind(replica.bind(tuple(specs), options or ServerOptions(), engine or EngineOptions()))

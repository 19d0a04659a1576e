"""The same application on many machines: replicas under Ray Serve, and a front that retries if a replica dies.

    from lexel.serving.ray import build_deployment
    serve.run(build_deployment([ModelSpec("zh", None)], num_replicas=4))

Reading a text has no side effects, so the front can send a request again: every accepted request is answered, even if
the replica that was reading it is killed. Requests are passed on whole; line streams and WebSockets need the server
itself.

Each replica has all models, unless ``models_per_replica`` limits their number. Then it loads a model at the first
request for it, and Ray sends requests to replicas that have their model.

Ray collects usage data by default; this module switches that off.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray starts

from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lexel.engines.choose import EngineOptions
from lexel.serving.app import build_app
from lexel.serving.asked import asked_model
from lexel.serving.failures import INTERNAL, failure_record, unknown_model
from lexel.serving.options import ModelSpec, ServerOptions
from lexel.serving.wires.openai import models_record

_logger = logging.getLogger("lexel.serving")
RETRIES = 20
"""Number of retries after the replica of a request died."""

PAUSE_S = 0.25
"""Seconds between retries, in which Ray notices the death and starts another replica."""


_PASSED_ON = ("type", "asgi", "http_version", "method", "scheme", "query_string", "headers")


class Answer(NamedTuple):
    """An answer on its way from a replica to the front."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Replica:
    """The application in a process of Ray: one for all models, or one for each requested model.

    Args:
        specs: See ``build_app``.
        options: See ``build_app``.
        engine: See ``build_app``.
        most: Maximum number of loaded models; ``None``: all of them, in one application.
    """

    def __init__(
        self, specs: Sequence[ModelSpec], options: ServerOptions, engine: EngineOptions, most: int | None
    ) -> None:
        build = partial(build_app, options=options, engine=engine)
        everything = _Running(build(specs)) if most is None else None

        async def running(name: str) -> _Running:
            own = [spec for spec in specs if spec.name == name]
            return everything or _Running(await asyncio.to_thread(build, own))

        self._running = running if most is None else serve.multiplexed(running, max_num_models_per_replica=most)

    async def answer(self, scope: Mapping[str, Any], body: bytes) -> Answer:
        """Answer a request."""
        running: _Running = await self._running(serve.get_multiplexed_model_id())
        return await running.answer(scope, body)

    def process_id(self) -> int:
        """The id of this process."""
        return os.getpid()


class _Running:
    """An application that its first request starts, and its requests in progress."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._life: Any = None
        self._n_requests = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self.__del__ = self.end  # Ray calls it to unload a model; Python never does, since it is on the object

    async def answer(self, scope: Mapping[str, Any], body: bytes) -> Answer:
        """Answer a request."""
        self._n_requests += 1
        self._is_idle.clear()
        try:
            if self._life is None:
                self._life = self._app.router.lifespan_context(self._app)
                await self._life.__aenter__()
            return await _asked(self._app, scope, body)
        finally:
            self._n_requests -= 1
            if not self._n_requests:
                self._is_idle.set()

    async def end(self) -> None:
        """Stop it, once its requests are answered."""
        await self._is_idle.wait()
        if self._life is not None:
            await self._life.__aexit__(None, None, None)


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
    """Passes requests on to replicas, and retries if the replica died.

    Args:
        replicas: Ray's handle of the replicas.
        names: The models, if a replica does not hold all of them; else empty.
    """

    def __init__(self, replicas: Any, names: Sequence[str]) -> None:
        self._replicas = replicas
        self._names = names

    async def __call__(self, request: Request) -> Response:
        """The answer of a replica; 503 if none is alive."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))  # without Ray's route_prefix
        scope = {name: request.scope[name] for name in _PASSED_ON} | {"path": path, "root_path": ""}
        body = await request.body()
        if not self._names:
            return await self._passed_on(self._replicas, scope, body)
        if path == "/v1/models":
            return JSONResponse(models_record(self._names))
        name = asked_model(path, body) or self._names[0]
        if name not in self._names:
            return JSONResponse(failure_record(path, 404, unknown_model(name, self._names)), 404)
        return await self._passed_on(self._replicas.options(multiplexed_model_id=name), scope, body)

    async def _passed_on(self, replicas: Any, scope: Mapping[str, Any], body: bytes) -> Response:
        for _ in range(RETRIES):
            try:
                answer = await replicas.answer.remote(scope, body)
            except RayTaskError as error:  # the replica is alive; its own code failed, and would fail again
                _logger.error("request failed", exc_info=error)
                return JSONResponse(failure_record(scope["path"], 500, INTERNAL), 500)
            except (RayError, RayServeException) as error:
                _logger.warning("no answer from a replica: %s", type(error).__name__)
                await asyncio.sleep(PAUSE_S)
                continue
            response = Response(answer.body, answer.status)
            response.raw_headers = list(answer.headers)
            return response
        return JSONResponse(failure_record(scope["path"], 503, "no replica answers; try again later"), 503)


def build_deployment(
    specs: Sequence[ModelSpec] = (ModelSpec("zh", None),),
    *,
    options: ServerOptions | None = None,
    engine: EngineOptions | None = None,
    models_per_replica: int | None = None,
    **settings: Any,
) -> Any:
    """A Ray Serve application for ``serve.run``.

    Args:
        specs: The models; the first is the default.
        options: Limits of a replica.
        engine: The engines' options; a replica should have as many threads as Ray gives it cores.
        models_per_replica: Maximum number of models in a replica; it drops the least recently used one to load
            another. ``None``: all of them. With a limit, a request that names no model gets the first one.
        settings: Settings of Ray's deployment: ``num_replicas``, ``autoscaling_config``, ``ray_actor_options``.
    """
    replica = serve.deployment(**({"max_ongoing_requests": 256} | settings))(Replica)
    front = serve.deployment(max_ongoing_requests=1024, ray_actor_options={"num_cpus": 0})(Front)
    held = replica.bind(tuple(specs), options or ServerOptions(), engine or EngineOptions(), models_per_replica)
    return front.bind(held, () if models_per_replica is None else tuple(spec.name for spec in specs))

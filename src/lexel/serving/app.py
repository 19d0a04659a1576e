"""The server as an ASGI application: wires, the routes for operators, the page."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

import lexel
from lexel.engines.choose import EngineOptions, describe
from lexel.errors import DataError, LexelError
from lexel.serving import page
from lexel.serving.access import ApiKeys
from lexel.serving.direct import Direct, direct_routes
from lexel.serving.failures import (
    ClientGone,
    NotJson,
    failure_record,
    message_of,
    status_of,
)
from lexel.serving.front import Front
from lexel.serving.metrics import Metrics
from lexel.serving.models import Models, ServedModel
from lexel.serving.options import ModelSpec, ServerOptions
from lexel.serving.problems import problem_of
from lexel.serving.scheduler import Scheduler
from lexel.serving.service import Service
from lexel.serving.tracing import add_tracing
from lexel.serving.turns import Turns
from lexel.serving.wires import huggingface, kserve, native, openai, presidio, tei

IN_FLIGHT = 4
"""Batches in engines at the same time: enough to keep two streams busy."""

WARM_TEXTS = ("暖機。", "預熱一下這個模型，這樣第一個請求就不用等。" * 3, "Warm up. " * 40)

_logger = logging.getLogger("lexel.serving")


def build_app(
    specs: Sequence[ModelSpec] = (ModelSpec("zh", None),),
    *,
    options: ServerOptions | None = None,
    engine: EngineOptions | None = None,
) -> FastAPI:
    """Build the application: models are opened here, and warmed up when it starts.

    Args:
        specs: The models to serve; the first is the default.
        options: The server's options.
        engine: The engines' options.

    Raises:
        CheckpointError: If a model cannot be used.
        OptionError: If the file of API keys cannot be read.
    """
    options = options or ServerOptions()
    metrics = Metrics()
    scheduler = Scheduler(watch=metrics.count_batch)
    models = Models(specs, engine or EngineOptions(), turns=Turns(IN_FLIGHT), check=scheduler.check_wanted)
    service = Service(models, scheduler, options=options, metrics=metrics)
    scheduler.before_next = service.wait_for_answers
    admission = service.admission
    metrics.follow(n_pieces=lambda: admission.n_pieces, n_requests=lambda: admission.n_requests)
    keys = None if options.api_key_file is None else ApiKeys(options.api_key_file)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.ensure_future(asyncio.to_thread(_warm, service))
        warming.add_done_callback(_stop_if_failed)
        try:
            yield
        finally:
            await asyncio.wait((warming,))
            await asyncio.to_thread(scheduler.close)
            await asyncio.to_thread(app.state.end_tracing)

    app = Application(title="Lexel", version=lexel.__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service, app.state.keys = service, keys
    routers = [wire.routes(service) for wire in (native, openai, tei, kserve, presidio)]
    for router in routers:
        app.include_router(router)
    _add_operation(app, service)
    page.add_page(app, shown=options.has_page)
    app.include_router(huggingface.routes(service))
    _add_failures(app, service)
    app.put_in_front(
        Direct,
        routes=direct_routes(routers),
        check_body=admission.check_body,
        answer_failure=partial(answer_failure, service),
    )
    app.put_in_front(Front, options=options, keys=keys, metrics=metrics)
    if options.cors_origins:  # before the keys: a browser's preflight request has no key
        app.put_in_front(
            CORSMiddleware, allow_origins=list(options.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.state.end_tracing = add_tracing(app.put_in_front) if options.has_tracing else lambda: None
    return app


class Application(FastAPI):
    """FastAPI's application, with a fast path that answers most requests without FastAPI."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._entrance: ASGIApp = super().__call__

    def put_in_front(self, layer: Callable[..., ASGIApp], **settings: Any) -> None:
        """Add an outermost layer; ``add_middleware`` would put FastAPI's own layers in front of it."""
        self._entrance = layer(self._entrance, **settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see the ASGI specification."""
        await self._entrance(scope, receive, send)


def _stop_if_failed(warming: asyncio.Future[None]) -> None:
    """Stop the server with a one-line message if its models cannot be computed."""
    if (error := warming.exception()) is not None:
        _logger.error("error: %s", message_of(error) if isinstance(error, LexelError) else error)
        signal.raise_signal(signal.SIGTERM)


def _warm(service: Service) -> None:
    """Load each model's readers, and make each engine compute the shapes of short texts."""
    for model in service.models:
        for task in model.tasks[:1]:
            lane = model.lane(task, {"labels": ["a"]} if task == "zero-shot" else None)
            list(lane.read([_warm_item(task, text) for text in WARM_TEXTS]))
    server_info(service)  # reads each vocabulary once, so that no request waits for it
    gc.collect()
    gc.freeze()  # existing objects stay, so the garbage collector need not scan them again
    service.is_ready = True
    _logger.info("ready: %s", ", ".join(f"{model.name} ({', '.join(model.tasks)})" for model in service.models))


def _warm_item(task: str, text: str) -> Any:
    return (text, text) if task == "answer" else text


def _add_operation(app: FastAPI, service: Service) -> None:
    """Routes for operators and probes."""

    @app.get("/health", tags=["operation"], summary="Whether the server is alive")
    @app.get("/ping", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/ready", tags=["operation"], summary="Whether the server takes requests")
    async def ready() -> Response:
        is_draining = service.admission.is_draining
        said = "draining" if is_draining else "ready" if service.is_ready else "warming"
        return JSONResponse({"status": said}, 200 if said == "ready" else 503)

    @app.get("/metrics", tags=["operation"], summary="Counters for Prometheus")
    async def metrics() -> Response:
        text, kind = service.metrics.text()
        return Response(text, media_type=kind)

    @app.get("/info", tags=["operation"], summary="What is served, and within which limits")
    async def info() -> dict[str, Any]:
        return server_info(service)


def server_info(service: Service) -> dict[str, Any]:
    """Description of the server: text-embeddings-inference's keys for the default model, and a list of all models."""
    options, default = service.options, service.models.default
    config, source = default.checkpoint.config, default.checkpoint.source
    return {
        "model_id": source.repo_id or default.name,
        "model_sha": source.commit,
        "model_dtype": default.engines[0].precision if default.engines else None,
        "served_model_name": default.name,
        "model_type": _tei_type(default),
        "max_concurrent_requests": options.max_queued_pieces,
        "max_input_length": config.max_positions,
        "max_batch_tokens": options.max_queued_pieces,
        "max_client_batch_size": options.max_texts,
        "auto_truncate": False,
        "version": lexel.__version__,
        "models": [_described(model) for model in service.models],
        "limits": {
            "max_body_bytes": options.max_body_bytes,
            "max_queued_pieces": options.max_queued_pieces,
            "max_texts": options.max_texts,
            "timeout_s": options.timeout_s,
        },
    }


def _tei_type(model: ServedModel) -> dict[str, Any]:
    heads = [head for head in model.checkpoint.heads.values() if head.task == "classify"]
    if not heads:
        return {"embedding": {"pooling": "mean"}}
    labels = heads[0].labels
    kind = "reranker" if len(labels) == 1 else "classifier"
    return {kind: {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}}


def _described(model: ServedModel) -> dict[str, Any]:
    checkpoint = model.checkpoint
    return {
        "name": model.name,
        "id": checkpoint.source.repo_id,
        "revision": checkpoint.source.commit,
        "licence": checkpoint.card.licence,
        "languages": model.languages,
        "script": model.vocabulary.script,
        "mask": model.vocabulary.mask,
        "tasks": model.tasks,
        "made_for": model.made_for,
        "labels": {head.name: head.labels for head in checkpoint.heads.values()},
        "engines": sorted({describe(engine) for engine in model.engines}),
        "max_positions": checkpoint.config.max_positions,
    }


def _add_failures(app: FastAPI, service: Service) -> None:
    """Answer every failure with a status, and one line that says what was expected."""

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:  # FastAPI's message for a body that cannot be parsed
            return answer_failure(service, request, NotJson("body: not JSON in UTF-8"))
        said = f"{request.method} {request.url.path[:200]}: {error.detail}; see /openapi.json for what is served"
        return JSONResponse(failure_record(request.url.path, error.status_code, said), error.status_code)

    async def failed(request: Request, error: Exception) -> Response:
        return answer_failure(service, request, error)

    app.add_exception_handler(RequestValidationError, failed)
    app.add_exception_handler(LexelError, failed)
    app.add_exception_handler(Exception, failed)  # after it, the error is raised again, and ``Direct`` takes it


def _refused_by_framework(error: RequestValidationError) -> LexelError:
    """FastAPI's validation errors of a request that is not answered directly."""
    errors = [dict(one) | {"loc": one["loc"][1:]} for one in error.errors()]  # without "body", "query" or "path"
    is_json = all(one["type"] != "json_invalid" for one in errors)
    return DataError(problem_of(errors, error.body)) if is_json else NotJson("body: not JSON in UTF-8")


def answer_failure(service: Service, request: Request, error: Exception) -> Response:
    """The response to a request that failed."""
    if isinstance(error, ClientGone | ClientDisconnect):
        return Response(status_code=499)  # ``Front`` counts it
    if isinstance(error, RequestValidationError):
        error = _refused_by_framework(error)
    status = status_of(error)
    if status == 500:
        _logger.error("request failed", exc_info=error)
    headers = {"Retry-After": str(service.admission.retry_after_s)} if status == 429 else {}
    return JSONResponse(failure_record(request.url.path, status, message_of(error)), status, headers)

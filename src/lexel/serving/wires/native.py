"""Lexel's own wire: ``/v1/tag``, ``segment``, ``classify``, ``fill``, ``answer``, ``embed``, ``similarity``.

Requests and answers are JSON. With ``Content-Type: application/x-ndjson``, a request is a stream of lines, each a text
or an object, and so is the answer: each line is sent as soon as it is ready, in order, and only a few lines are read
ahead. The WebSocket ``/v1/ws/tag`` answers message by message.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Request, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from lexel.decoding.lexicon import DEFAULT_WEIGHT, Action, Lexicon
from lexel.errors import DataError
from lexel.serving.failures import BodyTooLarge, status_of
from lexel.serving.problems import read_body
from lexel.serving.records import answer_json, answers_record, document_json, error_record, json_bytes, words_json
from lexel.serving.schemas import (
    AnswerRequest,
    ClassifyRequest,
    EmbedRequest,
    FillRequest,
    LexiconEntry,
    Results,
    SimilarityRequest,
    TagOptions,
    TagRequest,
)
from lexel.serving.service import Service, n_chars
from lexel.serving.vectors import shaped, similarities

_logger = logging.getLogger("lexel.serving")
NDJSON = "application/x-ndjson"
LONG_CHARS = 4_000
"""From this number of characters on, a thread writes the answer, so that other requests do not wait for it."""

AHEAD = 64
"""Number of lines of a stream that are read at the same time."""

Written = Callable[..., bytes]
"""A document as JSON: ``document_json`` or ``words_json``."""


def routes(service: Service) -> APIRouter:
    """The routes of this wire."""
    router = APIRouter(prefix="/v1", tags=["lexel"])
    native = Native(service)

    @router.post("/tag", response_model=Results, summary="Words, part-of-speech tags and entities")
    async def tag(body: TagRequest, request: Request) -> Response:
        return await native.tag(body, request, document_json)

    @router.post("/segment", response_model=Results, summary="Words alone")
    async def segment(body: TagRequest, request: Request) -> Response:
        return await native.tag(body, request, words_json)

    @router.post("/fill", response_model=Results, summary="Masked words")
    async def fill(body: FillRequest, request: Request) -> Response:
        options = _given(body.options, "offsets")
        if isinstance(options.get("length"), list):
            options["length"] = tuple(options["length"])
        unit = body.options.offsets
        return await native.answer(
            "fill", body, request, options, lambda filling: json_bytes(filling.record(unit=unit))
        )

    @router.post("/classify", response_model=Results, summary="Classes, trained or named in the request")
    async def classify(body: ClassifyRequest, request: Request) -> Response:
        task = "classify" if body.options.labels is None else "zero-shot"
        return await native.answer(task, body, request, _given(body.options), lambda found: json_bytes(found.record()))

    @router.post("/answer", response_model=Results, summary="Answers as spans of contexts")
    async def answer(body: AnswerRequest, request: Request) -> Response:
        unit = body.options.offsets
        return await native.answer(
            "answer",
            body,
            request,
            _given(body.options, "offsets"),
            lambda answers: json_bytes(answers_record(answers, unit=unit)),
        )

    @router.post("/embed", response_model=Results, summary="Vectors of texts")
    async def embed(body: EmbedRequest, request: Request) -> Response:
        def vector(found: Any) -> bytes:
            numbers = shaped(found.vector, **_given(body.options)).tolist()
            return json_bytes({"vector": numbers, "n_pieces": found.n_pieces})

        return await native.answer("embed", body, request, {}, vector)

    @router.post("/similarity", summary="How like a text several others are")
    async def similarity(body: SimilarityRequest, request: Request) -> Response:
        model = service.models.able(body.model, "embed")
        scores = await similarities(service, model, body.text, body.texts, request)
        return _json({"model": model.name, "similarities": scores})

    @router.post("/stream/{task}", summary="JSON lines in, JSON lines out")
    async def stream(task: str, request: Request) -> Response:
        written = {"tag": document_json, "segment": words_json}.get(task)
        if written is None:
            raise DataError(f"/v1/stream/{task}: no such stream; expected tag or segment")
        return LineStream(native.stream(request, written))

    @router.websocket("/ws/tag")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                received = await socket.receive()
                if received["type"] == "websocket.disconnect":
                    return
                await socket.send_text((await native.message(received.get("text") or received.get("bytes"))).decode())
        except WebSocketDisconnect:
            return

    return router


class LineStream(Response):
    """An answer that is sent line by line while the request is still being read.

    Starlette's own streaming response reads the request to notice when the client leaves, and so would consume lines of
    the stream.
    """

    media_type = NDJSON

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; see the ASGI specification."""
        headers = [(b"content-type", NDJSON.encode())]
        waits = (b"expect", b"100-continue") in scope["headers"]  # curl sends only after the server begins to read
        async with aclosing(self._lines) as lines:
            first = await anext(lines, b"") if waits else b""
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for line in lines:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Native:
    """The shared parts of the routes of this wire."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def tag(self, body: TagRequest, request: Request, written: Written) -> Response:
        """Tag the texts of a request."""
        unit = body.options.offsets
        return await self.answer("tag", body, request, tag_options(body.options), lambda doc: written(doc, unit=unit))

    async def answer(
        self,
        task: str,
        body: Any,
        request: Request,
        options: Mapping[str, Any],
        written: Callable[[Any], bytes],
    ) -> Response:
        """Read the items of a request and write each result as JSON."""
        items = body.items()
        model = self._service.models.able(body.model, task)
        lane = await self._service.lane(model, task, options)
        results = await self._service.read(lane, items, request=request)
        _raise_alone(results, body)

        def answer() -> bytes:
            parts = [json_bytes(error_record(one)) if isinstance(one, Exception) else written(one) for one in results]
            return answer_json(model.name, parts)

        is_long = sum(map(n_chars, items)) > LONG_CHARS
        content = await asyncio.to_thread(answer) if is_long else answer()
        return Response(content, media_type="application/json")

    async def stream(self, request: Request, written: Written) -> AsyncGenerator[bytes, None]:
        """Answer line by line, each as soon as it is ready, in order; at most ``AHEAD`` lines are read at a time."""
        waiting: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(AHEAD)

        async def take() -> None:
            async for line in _lines(request, self._service.options.max_body_bytes):
                await waiting.put(asyncio.ensure_future(self._line(line, written)))
            await waiting.put(None)

        taking = asyncio.ensure_future(take())
        try:
            while (line := await _next(waiting, taking)) is not None:
                yield await line
        finally:
            taking.cancel()
            while not waiting.empty():
                if (line := waiting.get_nowait()) is not None:
                    line.cancel()

    async def message(self, said: str | bytes | None) -> bytes:
        """Answer a message of a WebSocket, of text or bytes: a JSON object as for ``/v1/tag``."""
        line = said.encode("utf-8", "surrogatepass") if isinstance(said, str) else said or b""
        return (await self._line(line, document_json)).rstrip(b"\n")

    async def _line(self, line: bytes, written: Written) -> bytes:
        try:
            body = read_body(_object(line), TagRequest)
            model = self._service.models.able(body.model, "tag")
            lane = await self._service.lane(model, "tag", tag_options(body.options))
            (found,) = await self._service.read(lane, body.items(), request=None)
            if isinstance(found, Exception):
                return json_bytes(error_record(found)) + b"\n"
            return written(found, unit=body.options.offsets) + b"\n"
        except Exception as error:  # the other lines of the stream are answered all the same
            if status_of(error) == 500:
                _logger.exception("a line failed")
            return json_bytes(error_record(error)) + b"\n"


def tag_options(options: TagOptions) -> dict[str, Any]:
    """The options of a call to ``Tagger.stream``."""
    given = _given(options, "offsets")
    if "lexicon" in given:
        given["lexicon"] = _lexicon(tuple(map(_entry, options.lexicon or ())))
    return given


@lru_cache(maxsize=64)
def _lexicon(entries: tuple[tuple[str, Action, float], ...]) -> Lexicon:
    """The lexicon of a request; requests with the same entries share one, and are read together."""
    return Lexicon(entries)


def _entry(entry: str | LexiconEntry) -> tuple[str, Action, float]:
    if isinstance(entry, str):
        return entry, "force", DEFAULT_WEIGHT
    return entry.word, entry.action, DEFAULT_WEIGHT if entry.weight is None else entry.weight


def _given(options: BaseModel, *without: str) -> dict[str, Any]:
    """The options that are set in a request."""
    if not options.model_fields_set:
        return {}
    return {name: value for name, value in options.model_dump(exclude_none=True).items() if name not in without}


def _json(value: Any) -> Response:
    return Response(json_bytes(value), media_type="application/json")


def _raise_alone(results: Sequence[Any], body: Any) -> None:
    """Raise the error of a request's only item as the request's error."""
    if len(results) == 1 and isinstance(results[0], Exception) and getattr(body, "texts", None) is None:
        raise results[0]


def _object(line: bytes) -> Any:
    """A line of a stream as a request: a JSON object, or a JSON string, which is a text."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}; expected an object or a string on each line") from error
    return {"text": value} if isinstance(value, str) else value


async def _lines(request: Request, longest: int) -> AsyncIterator[bytes]:
    """The lines of a body as they arrive; blank ones are skipped."""
    held = b""
    async for chunk in request.stream():
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(held) > longest:
            raise BodyTooLarge(f"a line of more than {longest:,} bytes; send shorter ones")
    if held.strip():
        yield held


async def _next(waiting: asyncio.Queue[Any], taking: asyncio.Task[None]) -> Any:
    """The next line's answer; raises the error that ended the reading of lines, if there was one."""
    getting = asyncio.ensure_future(waiting.get())
    await asyncio.wait((getting, taking), return_when=asyncio.FIRST_COMPLETED)
    if getting.done() or taking.exception() is None:
        return await getting
    getting.cancel()
    return await taking

"""A fast path for the routes that read texts: JSON in, a response out, without a framework in between.

FastAPI describes all routes, and answers those with parameters in their paths. If a route's function takes only a body
and the request, the function is called directly. The body is validated by the same model. This skips routing,
dependencies and exit stacks, which cost as much as reading a short text.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, get_type_hints

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lexel.errors import DataError
from lexel.serving.failures import BodyTooLarge, NotJson, NotJsonType
from lexel.serving.problems import read_body

_JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """A route that is answered directly.

    Attributes:
        route: FastAPI's route, for metrics and logs.
        model: The model of the body; ``None`` if the function reads the body itself.
        call: The route's function.
    """

    route: APIRoute
    model: type[BaseModel] | None
    call: Callable[..., Awaitable[Response]]


def direct_routes(routers: Iterable[APIRouter]) -> Mapping[str, DirectRoute]:
    """By path, the routes whose functions take only the request and perhaps a body."""
    found: dict[str, DirectRoute] = {}
    for route in chain.from_iterable(router.routes for router in routers):
        if not isinstance(route, APIRoute) or route.methods != {"POST"} or "{" in route.path:
            continue
        hints = get_type_hints(route.endpoint)
        if hints.pop("return", None) is not Response or hints.pop("request", None) is not Request:
            continue
        if not hints or (hints.keys() == {"body"} and issubclass(hints["body"], BaseModel)):
            found.setdefault(route.path, DirectRoute(route, hints.get("body"), route.endpoint))
    return found


class Direct:
    """An ASGI application around the routes.

    Args:
        app: The application that answers everything else.
        routes: The routes that are answered here.
        check_body: Raises an error if there is no room for a body of this many bytes; called before the body is read.
        answer_failure: The response to an error.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Mapping[str, DirectRoute],
        *,
        check_body: Callable[[int], None],
        answer_failure: Callable[[Request, Exception], Response],
    ) -> None:
        self._app = app
        self._routes = routes
        self._check_body = check_body
        self._answer_failure = answer_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see the ASGI specification."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        found = self._routes.get(scope["path"])
        request = Request(scope, receive)
        try:
            head = dict(scope["headers"])
            self._check_body(_length(head))
            if found is None:
                await self._pass_on(scope, receive, send)
                return
            scope["route"] = found.route
            response = await _called(found, request, head.get(b"content-type", _JSON))
        except ClientDisconnect:
            return
        except BodyTooLarge:
            raise  # the layers around the routes answer it
        except Exception as error:  # noqa: BLE001 (a fault of ours is answered and logged, too)
            response = self._answer_failure(request, error)
        await response(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer, which raises the error of a fault again once it is answered and logged."""
        is_begun = False

        async def begin(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            await self._app(scope, receive, begin)
        except Exception:
            if not is_begun:
                raise


async def _called(found: DirectRoute, request: Request, kind: bytes) -> Response:
    if found.model is None:
        return await found.call(request)
    if not kind.lower().startswith(_JSON):
        raise NotJsonType(f"Content-Type is {kind[:100].decode('latin-1')!r}; expected application/json")
    body = await request.body()
    if not body:
        raise DataError("body: empty; expected a JSON object")
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotJson("body: not JSON in UTF-8") from error
    return await found.call(read_body(value, found.model), request)


def _length(head: Mapping[bytes, bytes]) -> int:
    """The size of the body in bytes, if the client states it."""
    said = head.get(b"content-length", b"")
    return int(said[:15]) if said.isdigit() else 0

"""Failures of requests, and the table of HTTP statuses for errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lexel.errors import (
    CheckpointError,
    DataError,
    EngineError,
    LabelError,
    LexelError,
    MissingExtra,
    OptionError,
    Overloaded,
)


class UnknownModel(LexelError):  # noqa: N818 (the unknown thing names it)
    """A model or task that this server does not have."""


class BodyTooLarge(LexelError):  # noqa: N818
    """A request body beyond the limit."""


class NotJson(LexelError):  # noqa: N818
    """A body that cannot be parsed."""


class NotJsonType(LexelError):  # noqa: N818
    """A body whose content type says that it is not JSON."""


class ClientGone(LexelError):  # noqa: N818
    """The client has left, so nobody waits for the answer."""


class Draining(Overloaded):
    """The server is stopping and accepts no more work."""


class TimedOut(LexelError):  # noqa: N818
    """A request that took longer than the server allows."""


STATUSES: Mapping[type[Exception], int] = {
    NotJson: 400,
    NotJsonType: 415,
    ClientGone: 499,
    UnknownModel: 404,
    BodyTooLarge: 413,
    DataError: 422,
    OptionError: 422,
    LabelError: 422,
    Draining: 503,
    Overloaded: 429,
    TimedOut: 504,
    MissingExtra: 501,
    EngineError: 500,
    CheckpointError: 500,
}
"""The first matching class decides; any other error is a fault of the server, 500."""

KINDS: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "overloaded",
    500: "internal",
    501: "not_installed",
    503: "draining",
    504: "timeout",
}
OPENAI_PATHS = ("/v1/embeddings", "/v1/models")
"""Paths with errors in the shape that OpenAI's clients read."""

INTERNAL = "internal error; the server's log has the details"
LONGEST = 500
"""Maximum length of a message."""


def failure_record(path: str, status: int, said: str) -> dict[str, Any]:
    """The JSON of an error, in the shape that the clients of a path expect."""
    kind = KINDS.get(status, "error")
    if path.startswith(OPENAI_PATHS):
        return {"error": {"message": said, "type": kind, "code": status}}
    return {"error": said, "error_type": kind}


def unknown_model(name: str, names: Iterable[str]) -> str:
    """The message for a model that this server does not have."""
    return f"no model {name!r}; this server has {', '.join(names)}"


def status_of(error: Exception) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)


def message_of(error: Exception) -> str:
    """One line for the client; for a fault of the server, it contains no details."""
    if not isinstance(error, tuple(STATUSES)):
        return INTERNAL
    line = " ".join(str(error).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 4] + " ..."

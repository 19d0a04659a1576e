"""Finds the model that a request names, in its path or body, for all protocols."""

from __future__ import annotations

import json
import re
from typing import Any

_PATHS = (
    re.compile(r"/models/(?P<name>.+?)(/pipeline/[^/]+)?"),
    re.compile(r"/pipeline/[^/]+/(?P<name>.+)"),
    re.compile(r"/v2/models/(?P<name>[^/]+)(/.*)?"),
)


def asked_model(path: str, body: bytes) -> str | None:
    """The model that a request names; ``None`` if it names none."""
    for pattern in _PATHS:
        if found := pattern.fullmatch(path):
            return found["name"]
    try:
        asked: Any = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return None  # the application reports what is wrong
    name = asked.get("model") if isinstance(asked, dict) else None
    return name if isinstance(name, str) else None

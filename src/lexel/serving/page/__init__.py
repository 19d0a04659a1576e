"""The web page: HTML, CSS and JavaScript from the package only, under a strict content security policy."""

from __future__ import annotations

from importlib import resources

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {
    "index.html": "text/html",
    "docs.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "docs.js": "text/javascript",
    "words.js": "text/javascript",
    "examples.js": "text/javascript",
}
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI, *, shown: bool) -> None:
    """Add ``GET /`` (the page), its files under ``/page/``, and ``/docs`` (the routes of ``/openapi.json``)."""
    if not shown:

        @app.get("/", include_in_schema=False)
        async def said() -> Response:
            return JSONResponse({"name": "lexel", "docs": "/openapi.json"})

        return

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return _file("index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return _file("docs.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        return _file(name) if name in _FILES else Response(status_code=404, headers=_HEADERS)


def _file(name: str) -> Response:
    content = (resources.files("lexel.serving.page") / name).read_bytes()
    return Response(content, media_type=_FILES[name], headers=_HEADERS)

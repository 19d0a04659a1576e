"""Serves models over HTTP: one queue, batches filled from waiting requests, and protocols of existing clients.

    lexel serve                     # the bundled model at http://127.0.0.1:8000/
    lexel.serving.app.build_app(...)  # the same as an ASGI application

The path of a request: wire (its JSON shape) -> service (admission, timeout) -> scheduler (queue, batches) -> task ->
engine. Results take the same path back. Needs the extra ``serve`` (fastapi, uvicorn, prometheus-client).
"""

"""A model folder as a service: one queue, batches filled from whatever waits, and the wires that clients already speak.

    lexel serve                     # the bundled model at http://127.0.0.1:8000/
    lexel.serving.app.build_app(...)  # the same as an ASGI application

A request walks one way: wire (its JSON shape) -> service (admission, timeout) -> scheduler (queue, batches) -> task ->
engine, and its results walk back. Needs the extra ``serve`` (fastapi, uvicorn, prometheus-client).
"""

"""What people write themselves: FastAPI around a library, a request at a time in a thread pool.

python -m benchmarks.serving_peer tag|embed FOLDER THREADS

``tag`` is transformers' pipeline for token classification, ``embed`` sentence-transformers; both in bfloat16.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Body(BaseModel):
    """A text."""

    inputs: str


def tagger(folder: str) -> Callable[[str], list[Any]]:
    """transformers' pipeline, its numbers as Python's."""
    from transformers import pipeline

    read = pipeline("token-classification", model=folder, aggregation_strategy="simple", dtype="bfloat16")
    return lambda text: [
        {name: value.item() if hasattr(value, "item") else value for name, value in entity.items()}
        for entity in read(text)
    ]


def embedder(folder: str) -> Callable[[str], list[Any]]:
    """sentence-transformers; a list of one vector."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.bfloat16})
    return lambda text: model.encode([text], show_progress_bar=False).tolist()


READERS = {"tag": tagger, "embed": embedder}


def main() -> None:
    """Serve until stopped."""
    kind, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    read = READERS[kind](folder)
    app = FastAPI()

    @app.post("/")
    def answer(body: Body) -> list[Any]:
        return read(body.inputs)

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{bound.getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[bound])


if __name__ == "__main__":
    main()

"""What people write themselves: FastAPI around transformers' pipeline, a request at a time in a thread pool.

python -m benchmarks.serving_peer FOLDER THREADS
"""

from __future__ import annotations

import socket
import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline


class Body(BaseModel):
    """A text."""

    inputs: str


def main() -> None:
    """Serve until stopped."""
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    read = pipeline("token-classification", model=folder, aggregation_strategy="simple", dtype="bfloat16")
    app = FastAPI()

    @app.post("/")
    def classify(body: Body) -> list[dict[str, object]]:
        return [
            {name: value.item() if hasattr(value, "item") else value for name, value in entity.items()}
            for entity in read(body.inputs)
        ]

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{bound.getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[bound])


if __name__ == "__main__":
    main()

"""OpenAI's wire for embeddings: ``/v1/embeddings`` and ``/v1/models``.

Token ids are refused: a client that sends them has used another model's tokenizer. LangChain does so by default; there,
pass ``check_embedding_ctx_length=False``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from lexel.errors import DataError
from lexel.serving.records import json_bytes
from lexel.serving.service import Service
from lexel.serving.vectors import shaped


class EmbeddingsBody(BaseModel):
    """``/v1/embeddings``."""

    input: Any = Field(description="A string or a list of strings.")
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


def routes(service: Service) -> APIRouter:
    """The routes of this wire."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])

    @router.post("/embeddings", summary="Vectors of texts")
    async def embeddings(body: EmbeddingsBody, request: Request) -> Response:
        model = service.models.able(body.model, "embed")
        found = await service.read(await service.lane(model, "embed"), texts_of(body.input), request=request)
        rows = []
        for index, one in enumerate(found):
            if isinstance(one, Exception):
                raise one
            vector = shaped(one.vector, dimensions=body.dimensions)
            rows.append({"object": "embedding", "index": index, "embedding": encoded(vector, body.encoding_format)})
        n_pieces = sum(one.n_pieces for one in found)
        usage = {"prompt_tokens": n_pieces, "total_tokens": n_pieces}
        answer = {"object": "list", "data": rows, "model": model.name, "usage": usage}
        return Response(json_bytes(answer), media_type="application/json")

    @router.get("/models", summary="The models of this server")
    async def models() -> dict[str, Any]:
        return models_record(model.name for model in service.models)

    return router


def models_record(names: Iterable[str]) -> dict[str, Any]:
    """The list of models in OpenAI's form."""
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "lexel"} for name in names]
    return {"object": "list", "data": rows}


def texts_of(given: Any) -> list[str]:
    """The texts of ``input``."""
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        return texts
    if isinstance(texts, list) and any(isinstance(text, int | list) for text in texts):
        raise DataError(
            "input: token ids are refused, since they may be of another tokenizer; expected strings "
            "(LangChain: check_embedding_ctx_length=False)"
        )
    raise DataError(f"input: expected a string or a list of strings, found {type(given).__name__}")


def encoded(vector: np.ndarray[Any, Any], format: str | None) -> list[float] | str:
    """A vector as numbers, or as little-endian float32 in base64."""
    if format != "base64":
        numbers: list[float] = vector.tolist()
        return numbers
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")

"""The wire of text-embeddings-inference, and ``/token_classify`` in its style, an addition of Lexel.

Shapes: https://huggingface.github.io/text-embeddings-inference/. Nothing is truncated: ``truncate`` is accepted without
effect. Lists of token ids are refused: they may come from another tokenizer, and would give wrong vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from lexel.errors import DataError
from lexel.serving.models import ServedModel
from lexel.serving.records import json_bytes
from lexel.serving.service import Service
from lexel.serving.vectors import shaped, similarities

OffsetUnit = Literal["char", "utf16", "byte"]


class _Body(BaseModel):
    truncate: bool | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] | None = None
    prompt_name: str | None = None
    model: str | None = None


class EmbedBody(_Body):
    """``/embed`` and ``/embed_all``."""

    inputs: Any = Field(description="A string or a list of strings.")
    normalize: bool = True
    dimensions: Annotated[int, Field(ge=1)] | None = None


class PredictBody(_Body):
    """``/predict``: a string, one pair as a list of two strings, or a list of lists of one or two strings."""

    inputs: Any
    raw_scores: bool = False


class RerankBody(_Body):
    """``/rerank``."""

    query: str
    texts: list[str]
    raw_scores: bool = False
    return_text: bool = False


class SimilarityInputs(BaseModel):
    """A sentence and others."""

    source_sentence: str
    sentences: list[str]


class SimilarityBody(_Body):
    """``/similarity``."""

    inputs: SimilarityInputs


class TokenizeBody(_Body):
    """``/tokenize``."""

    inputs: Any
    add_special_tokens: bool = True


class DecodeBody(BaseModel):
    """``/decode``."""

    ids: Any
    skip_special_tokens: bool = True
    model: str | None = None


class TokenClassifyBody(_Body):
    """``/token_classify``."""

    inputs: Any
    aggregation_strategy: Literal["none", "simple", "first", "average", "max"] = "simple"


def routes(service: Service) -> APIRouter:
    """The routes of this wire."""
    router = APIRouter(tags=["text-embeddings-inference"])

    @router.post("/embed", summary="Vectors of texts")
    async def embed(body: EmbedBody, request: Request) -> Response:
        _, found = await _read(service, body.model, "embed", texts_of(body.inputs), request)
        return _json(
            [shaped(one.vector, dimensions=body.dimensions, normalise=body.normalize).tolist() for one in found]
        )

    @router.post("/embed_all", summary="Vectors of every piece of texts")
    async def embed_all(body: EmbedBody, request: Request) -> Response:
        _, found = await _read(service, body.model, "feature-extraction", texts_of(body.inputs), request)
        return _json([states[0] for states in found])

    @router.post("/predict", summary="Classes of texts or pairs")
    async def predict(body: PredictBody, request: Request) -> Response:
        items, is_one = sequences_of(body.inputs)
        options = {"function": "none"} if body.raw_scores else {}
        _, found = await _read(service, body.model, "classify", items, request, options)
        ranked = [[{"score": score, "label": label} for label, score in one.ranked] for one in found]
        return _json(ranked[0] if is_one else ranked)

    @router.post("/rerank", summary="Texts by how well they fit a query")
    async def rerank(body: RerankBody, request: Request) -> Response:
        options = {"function": "none" if body.raw_scores else "sigmoid"}
        _, found = await _read(
            service, body.model, "classify", [(body.query, text) for text in body.texts], request, options
        )
        ranks = [
            {"index": i, "score": one.score} | ({"text": body.texts[i]} if body.return_text else {})
            for i, one in enumerate(found)
        ]
        return _json(sorted(ranks, key=lambda rank: -rank["score"]))

    @router.post("/similarity", summary="How like a sentence several others are")
    async def similarity(body: SimilarityBody, request: Request) -> Response:
        model = service.models.able(body.model, "embed")
        inputs = body.inputs
        return _json(await similarities(service, model, inputs.source_sentence, inputs.sentences, request))

    @router.post("/token_classify", summary="Entities with their offsets")
    async def token_classify(body: TokenClassifyBody, request: Request) -> Response:
        options = {"aggregation_strategy": body.aggregation_strategy}
        _, found = await _read(service, body.model, "token-classification", texts_of(body.inputs), request, options)
        return _json(
            [
                [
                    {key: getattr(value, "item", lambda value=value: value)() for key, value in entity.items()}
                    for entity in one
                ]
                for one in found
            ]
        )

    @router.post("/tokenize", summary="The pieces of texts")
    async def tokenize(body: TokenizeBody, request: Request) -> Response:
        tokenizer = await _tokenizer(service, body.model)
        return _json([_pieces(tokenizer, text, special=body.add_special_tokens) for text in texts_of(body.inputs)])

    @router.post("/decode", summary="The texts of pieces")
    async def decode(body: DecodeBody, request: Request) -> Response:
        tokenizer = await _tokenizer(service, body.model)
        lists = body.ids if isinstance(body.ids, list) and body.ids and isinstance(body.ids[0], list) else [body.ids]
        return _json([_decoded(tokenizer, ids, skip_special=body.skip_special_tokens) for ids in lists])

    return router


def texts_of(inputs: Any) -> list[str]:
    """The texts of ``inputs``."""
    texts = [inputs] if isinstance(inputs, str) else inputs
    if isinstance(texts, list) and any(isinstance(text, int | list) for text in texts):
        raise DataError("inputs: token ids are not accepted (they may be of another tokenizer); expected strings")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"inputs: expected a string or a list of strings, found {type(inputs).__name__}")
    if not texts:
        raise DataError("inputs: an empty list; expected at least one string")
    return texts


def sequences_of(inputs: Any) -> tuple[list[str | tuple[str, str]], bool]:
    """The texts and pairs of ``/predict``, and whether there is only one, which is not in a list."""
    if isinstance(inputs, str):
        return [inputs], True
    if not isinstance(inputs, list) or not inputs:
        raise DataError("inputs: expected a string, a pair of strings, or a list of lists of one or two strings")
    if all(isinstance(part, str) for part in inputs):
        return [_sequence(inputs)], True
    return [_sequence(part) for part in inputs], False


def _sequence(parts: Any) -> str | tuple[str, str]:
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list) or len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
        raise DataError("inputs: expected one string or two; a flat list of two strings is one pair")
    return parts[0] if len(parts) == 1 else (parts[0], parts[1])


async def _read(
    service: Service,
    name: str | None,
    task: str,
    items: Sequence[Any],
    request: Request,
    options: dict[str, Any] | None = None,
) -> tuple[ServedModel, list[Any]]:
    model = service.models.able(name, task)
    found = await service.read(await service.lane(model, task, options), items, request=request)
    for result in found:
        if isinstance(result, Exception):
            raise result
    return model, found


async def _tokenizer(service: Service, name: str | None) -> Any:
    model = service.models[name]
    reader = await service.reader(model, model.tasks[0])
    return (reader.flows[0] if hasattr(reader, "flows") else reader.flow).tokenizer


def _pieces(tokenizer: Any, text: str, *, special: bool) -> list[dict[str, Any]]:
    pieces = tokenizer.encode([text])
    strings = tokenizer.strings(pieces.ids)
    rows = [
        {"id": int(id), "text": string, "special": False, "start": int(start), "stop": int(end)}
        for id, string, start, end in zip(pieces.ids, strings, pieces.starts, pieces.ends, strict=True)
    ]
    if not special:
        return rows
    around = tokenizer.special

    def named(ids: Sequence[int]) -> list[dict[str, Any]]:
        return [
            {"id": int(id), "text": string, "special": True, "start": None, "stop": None}
            for id, string in zip(ids, tokenizer.strings(ids), strict=True)
        ]

    return [*named(around.prefix), *rows, *named(around.suffix)]


def _decoded(tokenizer: Any, ids: Any, *, skip_special: bool) -> str:
    if not isinstance(ids, list) or not all(isinstance(id, int) and 0 <= id < tokenizer.n_pieces for id in ids):
        raise DataError(
            f"ids: expected a list of whole numbers from 0 to {tokenizer.n_pieces - 1}, or a list of such lists"
        )
    special = {*tokenizer.special.prefix, *tokenizer.special.suffix, tokenizer.special.pad}
    kept = [id for id in ids if not (skip_special and id in special)]
    text: str = tokenizer.join(tokenizer.strings(kept))
    return text


def _json(value: Any) -> Response:
    return Response(json_bytes(value), media_type="application/json")

"""Presidio's wire: ``/analyze``, ``/recognizers``, ``/supportedentities`` of presidio-analyzer's REST service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from lexel.errors import DataError
from lexel.names import PRESIDIO_TYPES
from lexel.serving.models import ServedModel
from lexel.serving.records import DECIMALS, json_bytes
from lexel.serving.service import Service


class AnalyzeBody(BaseModel):
    """``/analyze``. Presidio's other fields, such as ``context``, are accepted without effect."""

    text: Any = Field(description="A string or a list of strings.")
    language: str = "zh"
    entities: list[str] | None = None
    score_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    allow_list: list[str] | None = Field(default=None, description="Texts that are never reported as entities.")
    allow_list_match: Literal["exact"] = "exact"
    ad_hoc_recognizers: list[Any] | None = Field(
        default=None, max_length=0, description="Refused: only models find entities here."
    )
    correlation_id: str | None = None
    return_decision_process: bool | None = None
    model: str | None = None


def routes(service: Service) -> APIRouter:
    """The routes of this wire."""
    router = APIRouter(tags=["Presidio"])

    @router.post("/analyze", summary="Entities as Presidio gives them")
    async def analyze(body: AnalyzeBody, request: Request) -> Response:
        texts = [body.text] if isinstance(body.text, str) else body.text
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError("text: expected a string or a list of strings")
        model = service.models.able(body.model, "tag")
        found = await service.read(await service.lane(model, "tag"), texts, request=request)
        results = []
        for document in found:
            if isinstance(document, Exception):
                raise document
            results.append([_result(span) for span in document.entities if _is_wanted(span, body)])
        answer = results[0] if isinstance(body.text, str) else results
        return Response(json_bytes(answer), media_type="application/json")

    @router.get("/recognizers", summary="What finds entities")
    async def recognizers(language: str | None = None) -> list[str]:
        return [f"Lexel {model.name}" for model in service.models if "tag" in model.tasks]

    @router.get("/supportedentities", summary="Types of entities")
    async def supported(language: str | None = None) -> list[str]:
        return sorted({presidio_name(label) for model in service.models for label in entity_labels(model)})

    return router


def entity_labels(model: ServedModel) -> list[str]:
    """The types of entities that a model finds."""
    heads = model.checkpoint.heads.values()
    tags = {tag.partition("-")[2] for head in heads if head.task == "entities" for tag in head.labels if "-" in tag}
    return sorted(tags.union(*(head.labels for head in heads if head.task == "spans")))


def presidio_name(label: str) -> str:
    """Presidio's name of a type."""
    return PRESIDIO_TYPES.get(label.upper(), label.upper())


def _is_wanted(span: Any, body: AnalyzeBody) -> bool:
    name = presidio_name(span.label)
    in_types = body.entities is None or name in body.entities or span.label in body.entities
    is_allowed = span.text in (body.allow_list or ())
    return in_types and not is_allowed and (body.score_threshold is None or span.score >= body.score_threshold)


def _result(span: Any) -> dict[str, Any]:
    score = round(float(span.score), DECIMALS)
    return {"entity_type": presidio_name(span.label), "start": span.start, "end": span.end, "score": score}

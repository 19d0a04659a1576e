"""Hugging Face's wire: requests of ``InferenceClient`` (Python) and ``@huggingface/inference`` (JavaScript).

A client with a URL posts every task to exactly that URL, so at ``/`` and ``/models/{id}`` the task follows from the
body; at ``/models/{id}/pipeline/{task}``, from the path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lexel.errors import DataError, OptionError
from lexel.serving.models import ServedModel
from lexel.serving.problems import read_body
from lexel.serving.records import json_bytes
from lexel.serving.service import Service
from lexel.serving.vectors import shaped, similarities

TASKS = (
    "token-classification",
    "text-classification",
    "zero-shot-classification",
    "fill-mask",
    "feature-extraction",
    "sentence-similarity",
    "question-answering",
)
_OF_HEADS: Sequence[tuple[str, str]] = (
    ("tag", "token-classification"),
    ("classify", "text-classification"),
    ("answer", "question-answering"),
    ("fill", "fill-mask"),
    ("embed", "feature-extraction"),
)
"""The default task of a model: the first one that its heads allow."""

ALL = 1_000_000
"""``top_k`` for all classes, however many there are."""

_HUB_VERSION = re.compile(r"hf_hub/(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_PAIRS_SINCE = (1, 1, 5)
"""The first version of huggingface_hub that expects zero-shot results as a list of labels with scores."""

_NUMBERS = ("top_k", "topk", "stride", "max_answer_len", "doc_stride", "max_seq_len", "max_question_len")
_LISTS = ("ignore_labels",)
"""Parameters that are whole numbers, and those that are lists."""

_ROOT_OPTIONS = ("normalize", "truncate", "truncation_direction", "prompt_name", "dimensions", "encoding_format")


def routes(service: Service) -> APIRouter:
    """The routes of this wire; ``POST /`` and ``POST /models/{id}`` find the task in the body."""
    router = APIRouter(tags=["Hugging Face"])

    @router.post("/", summary="Any task; the body decides")
    async def root(request: Request) -> Response:
        return await _answer(service, request, None, request.query_params.get("task"))

    @router.post("/models/{model:path}/pipeline/{task}", summary="A task of a model")
    async def of_task(model: str, task: str, request: Request) -> Response:
        return await _answer(service, request, model, task)

    @router.post("/pipeline/{task}/{model:path}", summary="A task of a model, as older clients spell it")
    async def of_task_first(task: str, model: str, request: Request) -> Response:
        return await _answer(service, request, model, task)

    @router.post("/models/{model:path}", summary="Any task of a model; the body decides")
    async def of_model(model: str, request: Request) -> Response:
        return await _answer(service, request, model, request.query_params.get("task"))

    return router


async def _answer(service: Service, request: Request, name: str | None, task: str | None) -> Response:
    body = await _body(request)
    if task is not None and task not in TASKS:
        raise DataError(f"task {task!r} is not served; expected one of {', '.join(TASKS)}")
    found = task or task_of(body, service.models[name])
    return Response(json_bytes(await _Call(service, request, name, body).run(found)), media_type="application/json")


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}; expected an object with inputs") from error
    if not isinstance(body, dict) or "inputs" not in body:
        raise DataError("no inputs; expected an object with inputs, and parameters if there are any")
    parameters = body.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise DataError(f"parameters: expected an object, found {type(parameters).__name__}")
    _check_types(parameters or {})
    return body


def _check_types(parameters: Mapping[str, Any]) -> None:
    """Refuse values that transformers' pipelines would fail at with a message of Python's own."""
    for name, value in parameters.items():
        if name in _NUMBERS and value is not None and type(value) is not int:
            raise OptionError(f"parameters.{name}: {value!r:.60}; expected a whole number")
        if name in _LISTS and value is not None and not isinstance(value, list):
            raise OptionError(f"parameters.{name}: {value!r:.60}; expected a list")


def task_of(body: Mapping[str, Any], model: ServedModel) -> str:
    """The task of a request: by its inputs, its parameters, else the model's default task."""
    inputs, parameters = body["inputs"], body.get("parameters") or {}
    if isinstance(inputs, dict) and {"question", "context"} <= inputs.keys():
        return "question-answering"
    if isinstance(inputs, dict) and "source_sentence" in inputs:
        return "sentence-similarity"
    if "candidate_labels" in parameters:
        return "zero-shot-classification"
    if any(option in body for option in _ROOT_OPTIONS):
        return "feature-extraction"
    return next(task for own, task in _OF_HEADS if own in model.tasks)


class _Shape(BaseModel):
    """How a client wants its vectors."""

    model_config = ConfigDict(strict=True)
    dimensions: Annotated[int, Field(ge=1)] | None = None
    normalize: bool | None = None


class _Call:
    """One request, answered in transformers' shapes."""

    def __init__(self, service: Service, request: Request, name: str | None, body: Mapping[str, Any]) -> None:
        self._service = service
        self._request = request
        self._name = name
        self._inputs = body["inputs"]
        self._parameters = {key: value for key, value in (body.get("parameters") or {}).items() if value is not None}
        self._root = {key: body[key] for key in _ROOT_OPTIONS if body.get(key) is not None}

    async def run(self, task: str) -> Any:
        """The answer of a task."""
        handlers = {
            "token-classification": self._tokens,
            "text-classification": self._texts,
            "zero-shot-classification": self._zero_shot,
            "fill-mask": self._masks,
            "feature-extraction": self._features,
            "sentence-similarity": self._similarity,
            "question-answering": self._question,
        }
        return await handlers[task]()

    async def _tokens(self) -> Any:
        options = {"aggregation_strategy": "simple"} | self._parameters
        found = await self._read("token-classification", self._texts_of(), options)
        return self._one_or_all([[_grouped(entity) for entity in entities] for entities in found])

    async def _texts(self) -> Any:
        found = await self._read("text-classification", self._texts_of(), {"top_k": ALL} | self._parameters)
        return [result if isinstance(result, list) else [result] for result in found]

    async def _zero_shot(self) -> Any:
        found = await self._read("zero-shot-classification", self._texts_of(), self._parameters)
        version = _HUB_VERSION.search(self._request.headers.get("user-agent", ""))
        if version and tuple(map(int, version.groups())) < _PAIRS_SINCE:
            return self._one_or_all(found)
        pairs = [
            [{"label": label, "score": score} for label, score in zip(one["labels"], one["scores"], strict=True)]
            for one in found
        ]
        return self._one_or_all(pairs)

    async def _masks(self) -> Any:
        return self._one_or_all(await self._read("fill-mask", self._texts_of(), self._parameters))

    async def _features(self) -> Any:
        model = self._service.models.able(self._name, "embed")
        _refuse_cutting(self._root)
        shape = read_body({name: self._root[name] for name in _Shape.model_fields if name in self._root}, _Shape)
        lane = await self._service.lane(model, "embed")
        found = await self._service.read(lane, self._texts_of(), request=self._request)
        return [
            shaped(_whole(result).vector, dimensions=shape.dimensions, normalise=shape.normalize).tolist()
            for result in found
        ]

    async def _similarity(self) -> list[float]:
        inputs = self._inputs if isinstance(self._inputs, dict) else {}
        source, others = inputs.get("source_sentence"), inputs.get("sentences")
        if not isinstance(source, str) or not isinstance(others, list) or not _are_texts(others):
            raise DataError("inputs: expected source_sentence (a string) and sentences (a list of strings)")
        model = self._service.models.able(self._name, "embed")
        return await similarities(self._service, model, source, others, self._request)

    async def _question(self) -> Any:
        asked = self._inputs if isinstance(self._inputs, list) else [self._inputs]
        pairs = []
        for one in asked:
            if (
                not isinstance(one, dict)
                or not isinstance(one.get("question"), str)
                or not isinstance(one.get("context"), str)
            ):
                raise DataError("inputs: expected question and context, two strings")
            pairs.append((one["question"], one["context"]))
        return self._one_or_all(await self._read("question-answering", pairs, self._parameters))

    async def _read(self, task: str, items: Sequence[Any], options: Mapping[str, Any]) -> list[Any]:
        model = self._service.models[self._name] if self._name else self._service.models.able(None, task)
        lane = await self._service.lane(model, task, options)
        return [_whole(result) for result in await self._service.read(lane, items, request=self._request)]

    def _texts_of(self) -> list[str]:
        texts = [self._inputs] if isinstance(self._inputs, str) else self._inputs
        if not _are_texts(texts):
            raise DataError(f"inputs: expected a string or a list of strings, found {type(self._inputs).__name__}")
        return list(texts)

    def _one_or_all(self, results: Sequence[Any]) -> Any:
        return list(results) if isinstance(self._inputs, list) else results[0]


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _whole(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result


def _grouped(entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity with ``entity_group`` as a string for every strategy, as the JavaScript client requires."""
    label = entity.get("entity_group") or str(entity["entity"]).partition("-")[2] or entity["entity"]
    return {key: _plain(value) for key, value in entity.items()} | {"entity_group": label}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _refuse_cutting(options: Mapping[str, Any]) -> None:
    """Long texts are read in windows, so nothing is truncated. ``truncate`` is accepted if it has no effect."""
    if options.get("encoding_format") not in (None, "float"):
        raise OptionError(f"encoding_format is {options['encoding_format']!r}; expected float")

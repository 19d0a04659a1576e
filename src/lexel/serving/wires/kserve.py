"""The Open Inference Protocol (KServe v2) over HTTP: texts in as BYTES, records out as BYTES.

https://github.com/kserve/open-inference-protocol. The input is one tensor of datatype BYTES, shape ``[n]``; the result
is a tensor ``output`` of shape ``[n]`` with one JSON record per text, with offsets. tritonclient sends the binary form
by default: ``Inference-Header-Content-Length`` holds the JSON's length, and after the JSON, each string follows its
length in four bytes, little-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

import lexel
from lexel.errors import DataError
from lexel.serving.failures import UnknownModel
from lexel.serving.models import ServedModel
from lexel.serving.records import document_json, error_record, json_bytes
from lexel.serving.service import Service

HEADER = "inference-header-content-length"
PLATFORM = "lexel"


def routes(service: Service) -> APIRouter:
    """The routes of this wire."""
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    @router.get("", summary="Server metadata")
    async def server() -> dict[str, Any]:
        return {"name": "lexel", "version": lexel.__version__, "extensions": ["binary_tensor_data"]}

    @router.get("/health/live", summary="Whether the server is alive")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", summary="Whether the server takes requests")
    async def ready() -> Response:
        is_ready = service.is_ready and not service.admission.is_draining
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    @router.get("/models/{name}", summary="Model metadata")
    @router.get("/models/{name}/versions/{version}", include_in_schema=False)
    async def metadata(name: str, version: str = "1") -> dict[str, Any]:
        model = service.models[name]
        text = {"name": "text", "datatype": "BYTES", "shape": [-1]}
        output = {"name": "output", "datatype": "BYTES", "shape": [-1]}
        return {"name": model.name, "versions": ["1"], "platform": PLATFORM, "inputs": [text], "outputs": [output]}

    @router.get("/models/{name}/ready", summary="Whether a model takes requests")
    @router.get("/models/{name}/versions/{version}/ready", include_in_schema=False)
    async def model_ready(name: str, version: str = "1") -> Response:
        is_ready = service.is_ready and service.models[name] is not None
        return JSONResponse({"name": name, "ready": is_ready}, 200 if is_ready else 503)

    @router.post("/models/{name}/infer", summary="Read texts")
    @router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def infer(name: str, request: Request, version: str = "1") -> Response:
        return await _infer(service, service.models[name], request)

    return router


async def _infer(service: Service, model: ServedModel, request: Request) -> Response:
    body = await request.body()
    asked, tail = split_body(body, request.headers.get(HEADER))
    texts, is_binary, id = texts_of(asked, tail), wants_binary(asked), _id_of(asked)
    task = "tag" if "tag" in model.tasks else model.tasks[0]
    if task == "answer":
        raise UnknownModel(f"model {model.name!r} answers questions about contexts; ask it at /v1/answer")
    found = await service.read(await service.lane(model, task), texts, request=request)
    strings = [json_bytes(error_record(one)) if isinstance(one, Exception) else _json(one) for one in found]
    head: dict[str, Any] = {"model_name": model.name, "model_version": "1"}
    if id is not None:
        head["id"] = id
    output: dict[str, Any] = {"name": "output", "datatype": "BYTES", "shape": [len(strings)]}
    if not is_binary:
        return Response(
            json_bytes(head | {"outputs": [output | {"data": [s.decode() for s in strings]}]}),
            media_type="application/json",
        )
    packed = b"".join(struct.pack("<I", len(string)) + string for string in strings)
    answer = json_bytes(head | {"outputs": [output | {"parameters": {"binary_data_size": len(packed)}}]})
    headers = {"Inference-Header-Content-Length": str(len(answer))}
    return Response(answer + packed, media_type="application/octet-stream", headers=headers)


def split_body(body: bytes, header: str | None) -> tuple[Mapping[str, Any], bytes]:
    """The JSON of a request, and the binary tensors after it."""
    if header is not None and not (
        header.isascii() and header.isdigit() and len(header) <= 12 and int(header) <= len(body)
    ):
        raise DataError(f"Inference-Header-Content-Length is {header[:20]!r}; expected the length of the JSON in bytes")
    n_json = len(body) if header is None else int(header)
    try:
        asked = json.loads(body[:n_json])
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}; expected an inference request") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), list):
        raise DataError("no inputs; expected a list with one BYTES tensor of texts")
    return asked, body[n_json:]


def texts_of(asked: Mapping[str, Any], tail: bytes) -> list[str]:
    """The texts of the input tensor."""
    inputs = asked["inputs"]
    if len(inputs) != 1 or not isinstance(inputs[0], dict) or inputs[0].get("datatype") != "BYTES":
        raise DataError("inputs: expected one tensor of datatype BYTES, with one text per element")
    tensor = inputs[0]
    size = _parameters(tensor, "inputs").get("binary_data_size")
    if size is not None:
        if not isinstance(size, int) or size != len(tail):
            raise DataError(
                f"inputs: binary_data_size is {size!r}, {len(tail)} bytes follow the JSON; expected the same"
            )
        return [_decoded(string) for string in unpacked(tail)]
    data = tensor.get("data")
    if not isinstance(data, list) or not all(isinstance(text, str) for text in data):
        raise DataError("inputs: expected data, a list of strings")
    return data


def unpacked(tail: bytes) -> list[bytes]:
    """Strings, each after its length in four bytes, little-endian."""
    strings, at = [], 0
    while at < len(tail):
        length = int.from_bytes(tail[at : at + 4], "little")
        if at + 4 + length > len(tail):
            raise DataError(f"inputs: a string of {length} bytes at byte {at} goes beyond the tensor's {len(tail)}")
        strings.append(tail[at + 4 : at + 4 + length])
        at += 4 + length
    return strings


def wants_binary(asked: Mapping[str, Any]) -> bool:
    """Whether the client requests binary outputs."""
    outputs = asked.get("outputs") or []
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise DataError("outputs: expected a list of objects")
    by_output = [_parameters(output, "outputs").get("binary_data") for output in outputs]
    if any(value is not None for value in by_output):
        return any(by_output)
    return bool(_parameters(asked, "the request").get("binary_data_output"))


def _parameters(of: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    found = of.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise DataError(f"parameters of {where}: found {type(found).__name__}; expected an object")
    return found or {}


def _id_of(asked: Mapping[str, Any]) -> str | None:
    id = asked.get("id")
    if id is not None and not isinstance(id, str):
        raise DataError(f"id: found {type(id).__name__}; expected a string")
    return id


def _decoded(string: bytes) -> str:
    try:
        return string.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"inputs: not UTF-8 ({error.reason} at byte {error.start}); expected texts in UTF-8") from error


def _json(found: Any) -> bytes:
    if hasattr(found, "entities"):
        return document_json(found)
    if hasattr(found, "vector"):
        return json_bytes({"vector": found.vector.tolist()})
    if hasattr(found, "record"):
        return json_bytes(found.record())
    raise UnknownModel("this model's task has no record for the Open Inference Protocol")

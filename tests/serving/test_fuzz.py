"""Bodies and paths made from the server's own OpenAPI document: no answer is a fault of the server, and it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.live import LiveServer, status_of

MODELS = st.sampled_from(["zh", "joint", "nli", "", "..", "nobody"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800") | st.just("好"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def values_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows."""
    if "$ref" in schema:
        return values_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return st.one_of([values_of(one, schemas) for one in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if "prefixItems" in schema:
        return st.tuples(*(values_of(one, schemas) for one in schema["prefixItems"])).map(list)
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = {name: values_of(one, schemas) for name, one in schema["properties"].items()}
            fields |= {"model": MODELS} if "model" in fields else {}
            needed = {name: fields.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(needed, optional=fields)
        case "array":
            return st.lists(values_of(schema.get("items", {}), schemas), max_size=3)
        case "string":
            return st.text(max_size=20)
        case "integer":
            return st.integers(schema.get("minimum", -(2**40)), schema.get("maximum", 2**40))
        case "number":
            return st.floats(schema.get("minimum"), schema.get("maximum"))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return ANYTHING


@st.composite
def requests(draw: st.DrawFn, document: Mapping[str, Any]) -> tuple[str, str, Any]:
    """A method, a path and a body for one of the operations."""
    path = draw(st.sampled_from(sorted(document["paths"])))
    method = draw(st.sampled_from(sorted(document["paths"][path])))
    operation = document["paths"][path][method]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            value = draw(MODELS | st.text(max_size=8)) or "-"
            path = path.replace("{" + parameter["name"] + "}", quote(value.encode("utf-8", "replace"), safe=""))
    if method == "get":
        return "GET", path, None
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    right = values_of(content.get("schema", {}), document["components"]["schemas"])
    return "POST", path, draw(st.one_of(right, right, ANYTHING, st.fixed_dictionaries({"inputs": ANYTHING})))


@pytest.fixture(scope="module")
def document(server: LiveServer) -> Mapping[str, Any]:
    found: Mapping[str, Any] = server.get("/openapi.json")
    return found


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_gives_a_fault_of_the_server(
    server: LiveServer, document: Mapping[str, Any], data: st.DataObject
) -> None:
    method, path, body = data.draw(requests(document))
    status = status_of(server.url + path, method, body)
    assert status < 500 or path.endswith("/ready") or status == 501, (method, path, body, status)


def test_the_server_goes_on(server: LiveServer) -> None:
    assert server.post("/v1/segment", {"text": "好"})["results"]

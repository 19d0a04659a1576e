"""Problems of a request's body: plain words, the name that was meant, and nothing of the library that checks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel

from lexel.errors import DataError
from lexel.serving import schemas
from lexel.serving.problems import read_body
from lexel.serving.wires import openai, presidio, tei

SAID: dict[str, tuple[type[BaseModel], Any, str]] = {
    "a misspelt field": (schemas.TagRequest, {"txt": "a"}, "unknown field 'txt'; expected text or texts"),
    "a misspelt field where another is missing": (
        schemas.SimilarityRequest,
        {"txt": "a", "texts": ["b"]},
        "unknown field 'txt'; expected text or texts (1 more)",
    ),
    "a field like no other": (
        schemas.TagRequest,
        {"text": "a", "threads": 2},
        "unknown field 'threads'; expected text, texts, model or options",
    ),
    "a misspelt option": (
        schemas.TagRequest,
        {"text": "a", "options": {"lexcion": []}},
        "options: unknown field 'lexcion'; expected lexicon",
    ),
    "a misspelt field in a list": (
        schemas.TagRequest,
        {"text": "a", "options": {"lexicon": ["b", {"word": "c", "wait": 1}]}},
        "options.lexicon.1: unknown field 'wait'; expected word, action or weight",
    ),
    "a missing field": (schemas.SimilarityRequest, {"text": "a"}, "missing field 'texts'"),
    "missing fields": (tei.RerankBody, {}, "missing fields 'query', 'texts'"),
    "a field missing in a choice": (
        schemas.TagRequest,
        {"text": "a", "options": {"lexicon": [{}]}},
        "options.lexicon.0: missing field 'word'",
    ),
    "a number for a string": (schemas.TagRequest, {"text": 1}, "text: 1; expected a string"),
    "a string for a list": (schemas.TagRequest, {"texts": "a"}, "texts: a string; expected a list"),
    "an item of a list": (schemas.TagRequest, {"texts": ["a", None]}, "texts.1: null; expected a string"),
    "one of several kinds": (
        schemas.FillRequest,
        {"text": "a", "options": {"length": "b"}},
        "options.length: a string; expected a whole number or a list",
    ),
    "an item of one of several kinds": (
        schemas.FillRequest,
        {"text": "a", "options": {"length": [1, "b"]}},
        "options.length.1: a string; expected a whole number",
    ),
    "a choice": (
        schemas.TagRequest,
        {"text": "a", "options": {"decode": "best"}},
        "options.decode: 'best'; expected viterbi or argmax",
    ),
    "a number beyond its limit": (
        schemas.TagRequest,
        {"text": "a", "options": {"min_score": 2}},
        "options.min_score: 2; expected at most 1.0",
    ),
    "a number that is none": (
        schemas.TagRequest,
        {"text": "a", "options": {"min_score": float("nan")}},
        "options.min_score: NaN; expected a finite number",
    ),
    "too few items": (schemas.ClassifyRequest, {"pairs": [["a"]]}, "pairs.0: a list of 1; expected at least 2 items"),
    "too many items": (
        schemas.ClassifyRequest,
        {"pairs": [["a", "b", "c"]]},
        "pairs.0: a list of 3; expected at most 2 items",
    ),
    "another body": (schemas.TagRequest, ["a"], "body: a list of 1; expected an object"),
}


@pytest.mark.parametrize("case", SAID)
def test_a_problem_is_told_in_plain_words(case: str) -> None:
    model, value, said = SAID[case]
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        read_body(value, model)


BODIES = [
    body
    for module in (schemas, openai, tei, presidio)
    for body in vars(module).values()
    if isinstance(body, type) and issubclass(body, BaseModel) and body is not BaseModel
]
VALUES: list[Any] = [None, True, -1, 1e400, 1.5, "", "x", [], [None], [[]], {}, {"x": 1}]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_no_value_of_any_field_brings_the_librarys_own_words(body: type[BaseModel]) -> None:
    said = [
        refusal(body, given) for given in (*VALUES, *({name: value} for name in body.model_fields for value in VALUES))
    ]
    assert [one for one in said if one and re.search("Input|Extra|Field|permitted|valid|should|Value error", one)] == []


def test_pairs_are_taken_as_json_has_them() -> None:
    assert list(read_body({"pairs": [["a", "b"]]}, schemas.ClassifyRequest).items()) == [("a", "b")]


def refusal(body: type[BaseModel], given: Any) -> str | None:
    try:
        read_body(given, body)
    except DataError as error:
        return str(error)
    return None

"""Validates the bodies of requests, and reports problems in plain words.

pydantic's own messages ("Extra inputs are not permitted") never reach a client.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from lexel.errors import DataError
from lexel.near import nearest_name

Body = TypeVar("Body", bound=BaseModel)
Path = tuple[str | int, ...]
"""Names and indexes that lead to a value in a body."""

_EXPECTED: Mapping[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_too_short": "a string of at least {min_length} characters",
    "string_type": "a string",
    "string_unicode": "a string in UTF-8",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
    "tuple_type": "a list",
}
"""Expected values by pydantic's error types; braces hold values of the error's context."""

_LONGEST_CHOICE = 40
"""Maximum length of a string that a message repeats."""


def read_body(value: Any, model: type[Body]) -> Body:
    """The body of a request from its JSON.

    Raises:
        DataError: With the first problem in plain words.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise DataError(problem_of(error.errors(include_url=False), value, model)) from error


def problem_of(errors: Sequence[Any], value: Any, model: type[BaseModel] | None = None) -> str:
    """The first problem in one line, and how many more there are.

    A misspelt name comes first, since another field is often missing because of it.

    Args:
        errors: pydantic's errors.
        value: The JSON.
        model: The model that checked it, for the names of fields; ``None`` if it is not known.
    """
    first, *more = _problems(errors, value, model)
    return first + (f" ({len(more)} more)" if more else "")


def _problems(errors: Sequence[Any], value: Any, model: type[BaseModel] | None) -> Iterator[str]:
    unknown: list[Path] = []
    missing: dict[Path, list[str | int]] = defaultdict(list)
    wrong: dict[Path, list[Any]] = defaultdict(list)
    for error in errors:
        path = _path(error["loc"], value)
        if error["type"] == "extra_forbidden":
            unknown.append(path)
        elif error["type"] == "missing":
            missing[path].append(error["loc"][-1])
        else:
            wrong[path].append(error)
    for path in unknown:
        yield _start(path[:-1]) + _unknown_field(str(path[-1]), fields_at(model, path[:-1]))
    for path, names in missing.items():
        yield _missing(path, names, _at(value, path))
    inner = [*unknown, *((*path, names[0]) for path, names in missing.items()), *wrong]
    for path, found in wrong.items():
        if not any(other != path and other[: len(path)] == path for other in inner):  # else another choice fits
            yield _wrong(path, found, _at(value, path))


def _path(location: Iterable[str | int], value: Any) -> Path:
    """The part of pydantic's location that leads through the body, without the names of a union's choices."""
    path: list[str | int] = []
    for step in location:
        if isinstance(value, list) and isinstance(step, int):
            if step >= len(value):
                break
        elif not isinstance(value, dict) or step not in value:
            continue
        path.append(step)
        value = value[step]
    return tuple(path)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _start(path: Path) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""


def _unknown_field(name: str, fields: Sequence[str]) -> str:
    """The message for an unknown field, with similar names, or with all names if none is similar."""
    near = nearest_name(name, fields)
    meant = fields if near is None else [field for field in fields if field.startswith(near)]
    shown = name if len(name) <= _LONGEST_CHOICE else f"{name[:_LONGEST_CHOICE]}..."
    return f"unknown field {shown!r}" + (f"; expected {_either(meant)}" if meant else "")


def _missing(path: Path, names: Sequence[str | int], value: Any) -> str:
    if isinstance(value, list):
        return f"{_start(path)}{_shown(value)}; expected at least {int(names[-1]) + 1} items"
    field = "field" if len(names) == 1 else "fields"
    return f"{_start(path)}missing {field} {', '.join(map(repr, names))}"


def _wrong(path: Path, errors: Sequence[Any], value: Any) -> str:
    own = next((error["ctx"]["error"] for error in errors if error["type"] == "value_error"), None)
    if own is not None:
        return f"{_start(path)}{own}"
    is_choice = any(error["type"] == "literal_error" for error in errors)
    shown = _quoted(value) if is_choice and isinstance(value, str) else _shown(value)
    return f"{_start(path) or 'body: '}{shown}; expected {_either(dict.fromkeys(map(_expected, errors)))}"


def _expected(error: Any) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"]).replace("'", "")
    known = _EXPECTED.get(error["type"])
    return error["msg"].removeprefix("Input should be ") if known is None else known.format(**error.get("ctx", {}))


def _shown(value: Any) -> str:
    """A short description of a value; strings are not repeated, since they may be long."""
    if isinstance(value, str):
        return "a string" if value else "an empty string"
    if isinstance(value, list):
        return f"a list of {len(value):,}" if value else "an empty list"
    return "an object" if isinstance(value, dict) else json.dumps(value)


def _quoted(value: str) -> str:
    return repr(value) if len(value) <= _LONGEST_CHOICE else f"{value[:_LONGEST_CHOICE]!r}..."


def _either(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def fields_at(model: type[BaseModel] | None, path: Path) -> tuple[str, ...]:
    """The possible fields of an object at a place of a body; empty if they are not known."""
    for step in path:
        if model is not None and isinstance(step, str):
            field = model.model_fields.get(step)
            model = None if field is None else next(_models_in(field.annotation), None)
    return () if model is None else tuple(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation such as ``list[str | Entry] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)

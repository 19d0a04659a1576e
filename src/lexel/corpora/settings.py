"""Reads options from YAML into a dataclass; unknown names, wrong types and wrong choices are errors."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lexel.errors import OptionError
from lexel.near import nearest_name

T = TypeVar("T")


def read_settings(kind: type[T], given: Any, *, where: str) -> T:
    """An instance of a dataclass from a mapping of its fields.

    Args:
        kind: The dataclass.
        given: The mapping; ``None`` means all defaults.
        where: Its name in messages: ``steps.yaml: step 2 (tag)``.

    Raises:
        OptionError: Naming the field that is wrong.
    """
    values = {} if given is None else given
    if not isinstance(values, Mapping):
        raise OptionError(f"{where}: found {values!r}; expected options by name, as in 'least: 10'")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    read: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            near = nearest_name(str(name), known)
            advice = f"did you mean {near!r}?" if near else f"expected {', '.join(known) or 'no options'}"
            raise OptionError(f"{where}: no option {name!r}; {advice}")
        read[name] = _converted(value, hints[name], f"{where}: {name}")
    for name, field in known.items():
        if name not in read and field.default is MISSING and field.default_factory is MISSING:
            raise OptionError(f"{where}: no {name!r}; expected {_said(hints[name])}")
    try:
        return kind(**read)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error


def settings_of(instance: Any) -> dict[str, Any]:
    """The options of a dataclass as JSON values, without defaults."""
    found = {field.name: getattr(instance, field.name) for field in fields(instance)}
    usual = {field.name: field.default for field in fields(instance)}
    return {name: _plain(value) for name, value in found.items() if value != usual[name]}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _converted(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _converted(value, next(one for one in arguments if one is not type(None)), where)
    if origin is Literal:
        if value not in arguments:
            raise OptionError(f"{where} is {value!r}; expected one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_converted(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(items))
    if origin is dict or origin is Mapping:
        if not isinstance(value, Mapping):
            raise OptionError(f"{where} is {value!r}; expected names with values")
        return {str(key): _converted(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise OptionError(f"{where} is {value!r}; expected {_said(hint)}")
    return value


def _said(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _said(arguments[0])
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is tuple:
        return f"a list, each {_said(arguments[0])}"
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(hint, "a mapping")

"""Options of a task: the defaults that ``load`` sets, and the changes of one call.

Every task has a frozen dataclass of options (``TagOptions``, ``ClassifyOptions``, ...) and a ``TypedDict`` with the
same names, for keywords. ``load`` takes the keywords as defaults, next to those of ``EngineOptions``; in a call, they
apply to that call only. A caller that stores the options of each request passes ``options=TagOptions(...)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lexel.engines.choose import EngineOptions
from lexel.tasks.unknown_arguments import refuse_unknown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")


def options_of_call(usual: Options, options: Options | None, changes: Mapping[str, Any], *, where: str) -> Options:
    """The options of one call.

    Args:
        usual: The options that the reader was loaded with.
        options: Options to use in their place.
        changes: Single fields to change.
        where: The reader, for messages.

    Raises:
        TypeError: If a name is unknown, or ``options`` has the wrong type.
    """
    base = usual if options is None else options
    if not isinstance(base, type(usual)):
        raise TypeError(f"{where}: options is {base!r:.60}; expected {type(usual).__name__}")
    return _changed(base, changes, known=names_of(base), where=where) if changes else base


def options_of_load(
    usual: Options, engine: EngineOptions | None, keywords: Mapping[str, Any], *, load: Callable[..., Any]
) -> tuple[EngineOptions, Options]:
    """The engine's options and the task's, from the keywords of ``load``.

    Args:
        usual: The task's defaults.
        engine: The engine's options; keywords override its fields.
        keywords: Fields of either, by name.
        load: The function that was called, for messages.

    Raises:
        TypeError: If a name is unknown, or ``engine`` has the wrong type.
    """
    where = load.__qualname__
    base = EngineOptions() if engine is None else engine
    if not isinstance(base, EngineOptions):
        raise TypeError(f"{where}: options is {base!r:.60}; expected EngineOptions")
    of_engine = names_of(base)
    known = (*_explicit_names(load), *of_engine, *names_of(usual))
    given = {name: value for name, value in keywords.items() if name in of_engine}
    rest = {name: value for name, value in keywords.items() if name not in of_engine}
    return replace(base, **given), _changed(usual, rest, known=known, where=where)


def names_of(options: DataclassInstance) -> tuple[str, ...]:
    """The names of options."""
    return tuple(field.name for field in fields(options))


def _changed(options: Options, changes: Mapping[str, Any], *, known: tuple[str, ...], where: str) -> Options:
    refuse_unknown(changes, known=known, refused={}, where=where)
    return replace(options, **changes)


def _explicit_names(load: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(load).parameters.values()
    return [one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]

"""From a recipe's values to options: pydantic checks the types, and each problem is reported with its line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from lexel.errors import MissingExtra, OptionError
from lexel.near import nearest_name
from lexel.training.config.choices import refusal_of
from lexel.training.config.options import DataFile, DistillOptions, HeadOptions, TrainingOptions
from lexel.training.config.values import Value

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
"""Keys and indexes that lead to a value."""

FREE = ("config", "card")
"""Options whose values may be anything; numbers among them are read as YAML reads them."""

_OTHER_NAMES = {
    "model_name_or_path": "model",
    "tokenizer_name": "tokenizer",
    "config_overrides": "config",
    "train_file": "train",
    "validation_file": "validation",
    "test_file": "test",
    "max_seq_length": "window",
    "max_length": "window",
    "doc_stride": "overlap",
    "epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size",
    "lr": "learning_rate",
}
"""Other programs' names of options, for names that are not similar to Lexel's."""


_EXPECTED = {
    "bool": "true or false",
    "dataclass": "keys and values",
    "dict": "keys and values",
    "float": "a number",
    "int": "a whole number",
    "mapping": "keys and values",
    "string": "a text",
    "tuple": "a list",
}
"""Expected values, by the first word of pydantic's error types."""


def validate(values: Value) -> TrainingOptions:
    """Build the options of a run from a mapping of values.

    Raises:
        OptionError: With the line of every unknown key and every value of the wrong type, or of the first value that
            is out of range.
        MissingExtra: If pydantic is not installed.
    """
    assert isinstance(values.content, dict)
    from pydantic import ValidationError

    raw = {name: value.plain() if name in FREE else value.texts() for name, value in values.content.items()}
    try:
        options: TrainingOptions = _adapter(TrainingOptions).validate_python(raw)
    except ValidationError as error:
        raise OptionError("; ".join(_problems(error.errors(), values))) from None
    return options


def data_files(value: Value) -> tuple[DataFile, ...] | None:
    """The data files in a value; ``None`` if it is not a list of data files."""
    from pydantic import ValidationError

    try:
        files: tuple[DataFile, ...] = _adapter(tuple[DataFile, ...]).validate_python(value.texts())
    except ValidationError:
        return None
    return files


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        from pydantic import TypeAdapter
    except ImportError as error:
        raise MissingExtra('recipes need pydantic: pip install "lexel[train]"') from error
    return TypeAdapter(kind)


def _problems(errors: Sequence[ErrorDetails], values: Value) -> Iterator[str]:
    """One message for each value that has a problem, in the order of the recipe's structure."""
    by_path: dict[Path, list[ErrorDetails]] = defaultdict(list)
    missing: dict[Path, list[str]] = defaultdict(list)
    for error in errors:
        path = _path(error["loc"], values)
        if error["type"] in ("missing", "missing_keyword_only_argument"):
            missing[path].append(str(error["loc"][-1]))
        else:
            by_path[path].append(error)
    for path, found in by_path.items():
        is_inside = any(other != path and other[: len(path)] == path for other in by_path)
        if not (is_inside and len(found) == 1 and "|" in str(found[0]["loc"])):
            yield _problem(path, found, values)
    for path, names in missing.items():
        where = f"{values.at(path).where}: " if path else ""
        yield f"{where}{', '.join(names)}: not given; expected by every {_noun(path)}"


def _path(location: Sequence[str | int], values: Value) -> Path:
    """The part of pydantic's location that leads through the values, without the names of a union's members."""
    path: list[str | int] = []
    content: Any = values.content
    for step in location:
        is_inside = (
            isinstance(step, int) if isinstance(content, list) else isinstance(content, dict) and step in content
        )
        if is_inside:
            path.append(step)
            content = content[step].content
    return tuple(path)


def _problem(path: Path, errors: Sequence[ErrorDetails], values: Value) -> str:
    if not path:  # a check of the options as a whole, whose message begins with an option's name
        message = str(errors[0].get("ctx", {}).get("error", errors[0]["msg"]))
        name = message.partition(":")[0]
        assert isinstance(values.content, dict)
        return f"{values.content[name].where}: {message}" if name in values.content else message
    value, name, kind = values.at(path), str(path[-1]), errors[0]["type"]
    if kind == "unexpected_keyword_argument":
        return f"{value.where}: unknown option {name!r}{_suggestion(name, _class_at(path[:-1]))}"
    if kind == "value_error":
        return f"{value.where}: {errors[0].get('ctx', {}).get('error', errors[0]['msg'])}"
    refusal = refusal_of(str(value.content)) if path == ("method",) else None
    if refusal is not None:
        return f"{value.where}: {refusal}"
    expected = " or ".join(dict.fromkeys(map(_expected, errors)))
    start = value.where if value.is_typed else f"{value.where}: {name}"
    return f"{start}: {_shown(value)}; expected {expected}"


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    return _EXPECTED.get(error["type"].partition("_")[0], error["msg"])


def _shown(value: Value) -> str:
    if isinstance(value.content, dict):
        return "keys and values"
    return "a list" if isinstance(value.content, list) else repr(value.content)


def _class_at(path: Path) -> type:
    """The class of options that a path leads to."""
    classes: Mapping[Any, type] = {"heads": HeadOptions, "distill": DistillOptions}
    return classes.get(path[0], DataFile) if path else TrainingOptions


def _noun(path: Path) -> str:
    nouns = {TrainingOptions: "training run", HeadOptions: "head", DataFile: "data file", DistillOptions: "teacher"}
    return nouns[_class_at(path)]


def _suggestion(name: str, kind: type) -> str:
    """A similar name, or all names if there are few."""
    names = [field.name for field in fields(kind)]
    asked = name.replace("-", "_").lower()
    near = _OTHER_NAMES[asked] if _OTHER_NAMES.get(asked) in names else nearest_name(asked, names)
    if near is not None:
        return f"; did you mean {near!r}?"
    return "; see lexel train --help" if kind is TrainingOptions else f"; expected some of {', '.join(names)}"

"""Recipes: the options of a training run in a YAML file or on the command line.

A recipe has the options' names as its keys, in any order:

    model: hfl/rbt3
    heads: [words, entities]
    train:
      - train.conllu
      - {path: silver.jsonl, weight: 0.5, layers: [words]}
    validation: dev.conllu
    output_dir: my-model
    learning_rate: 2e-5

The option's type, not YAML's rules, decides how a value is read, so ``2e-5`` is a number and ``no`` a strategy.
Relative paths are relative to the recipe. All problems of a recipe are reported together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from lexel.disk import open_regular, refused
from lexel.errors import MissingExtra, OptionError
from lexel.names import TASKS
from lexel.training.config.options import DataFile, TrainingOptions, as_plain
from lexel.training.config.validation import data_files, validate
from lexel.training.config.values import Value, parse_yaml

LARGEST_BYTES = 100_000
"""A recipe has a few thousand bytes; reading YAML takes time."""

_DATA = ("train", "validation", "test")
_MAPPINGS = ("config", "card", "distill")
"""Options with their own keys, which a later layer overrides key by key."""
_LISTS = ("columns", "report_to", "target_modules")


# Reading -------------------------------------------------------------------------------------------------------------


def read_recipe(path: str | os.PathLike[str]) -> dict[str, Value]:
    """Read a recipe's values; its relative paths become relative to the working folder.

    Raises:
        OptionError: If it is not a YAML mapping, or has a duplicate key or an alias.
        MissingExtra: If PyYAML is not installed.
    """
    place = Path(path)
    try:
        with open_regular(place) as file:
            data = file.read(LARGEST_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise OptionError(f"{place}: {refused(error, doing='read')}; expected a recipe in YAML") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{place}: is not UTF-8 ({error.reason}); expected a recipe in YAML") from error
    if len(data) > LARGEST_BYTES:
        raise OptionError(f"{place}: has more than {LARGEST_BYTES:,} bytes; expected a recipe in YAML")
    recipe = parse_yaml(text, str(place))
    if not isinstance(recipe.content, dict):
        raise OptionError(f"{recipe.where}: expected options, one on each line, such as 'train: train.conllu'")
    return {name: _rooted(name, value, place.parent) for name, value in recipe.content.items()}


def read_words(name: str, words: Sequence[str], *, where: str) -> Value:
    """Read the words of a command-line option.

    A list is given by repeating the option or with commas; keys and values as ``key=value`` or as YAML in braces.

    Args:
        name: The option's name.
        words: The given words, one for each use of the option.
        where: The option as it is typed, for messages.
    """
    if name in _DATA:
        return Value([parse_yaml(w, where) if w.startswith("{") else Value(w, where) for w in words], where)
    if len(words) == 1 and words[0].lstrip().startswith(("{", "[")):
        return parse_yaml(words[0], where)
    if name == "heads" or name in _LISTS:
        return Value([Value(part, where) for word in words for part in word.split(",") if part], where)
    if _takes_keys(name) and all("=" in word for word in words):
        pairs = (word.partition("=") for word in words)
        return Value({key.strip(): Value(value.strip(), where) for key, _, value in pairs}, where)
    return Value(words[-1], where)


def _takes_keys(name: str) -> bool:
    (hint,) = (str(field.type) for field in fields(TrainingOptions) if field.name == name)
    return name in _MAPPINGS or "Mapping[" in hint


def _rooted(key: str, value: Value, folder: Path) -> Value:
    """Make the relative paths of an option relative to the working folder."""
    if key in ("output_dir", "tokenizer"):
        return _path(value, folder)
    if key in ("model", "teacher") and isinstance(value.content, str):
        is_folder = value.content.startswith((".", "~")) or (folder / value.content).is_dir()
        return _path(value, folder) if is_folder else value
    return _data(value, folder) if key in _DATA else value


def _data(value: Value, folder: Path) -> Value:
    if isinstance(value.content, list):
        return Value([_data(item, folder) for item in value.content], value.where)
    if isinstance(value.content, dict):
        inner = {key: _path(item, folder) if key == "path" else item for key, item in value.content.items()}
        return Value(inner, value.where)
    return _path(value, folder)


def _path(value: Value, folder: Path) -> Value:
    if not isinstance(value.content, str) or value.is_null:
        return value
    return Value(os.path.normpath(folder / Path(value.content).expanduser()), value.where, is_quoted=True)


# From values to options ----------------------------------------------------------------------------------------------


def build_options(*layers: Mapping[str, Value]) -> TrainingOptions:
    """Build options from values; a later layer overrides an earlier one.

    ``config``, ``card`` and ``distill`` are overridden key by key.

    Raises:
        OptionError: With the place of every unknown key and every value of the wrong type, or of the first value that
            is out of range.
    """
    values: dict[str, Value] = {}
    for layer in layers:
        for name, value in layer.items():
            values[name] = _merged(values[name], value) if name in _MAPPINGS and name in values else value
    return validate(Value({name: _long_form(name, value) for name, value in values.items()}, ""))


def first_data_file(values: Mapping[str, Value]) -> DataFile | None:
    """The first training file, if the values name one."""
    files = data_files(_long_form("train", values["train"])) if "train" in values else None
    return files[0] if files else None


def _merged(old: Value, new: Value) -> Value:
    if isinstance(old.content, dict) and isinstance(new.content, dict):
        return Value({**old.content, **new.content}, new.where)
    return new


def _long_form(name: str, value: Value) -> Value:
    """Expand short forms: one file for a list of files, a path for a file, tasks for heads, one text for a list."""
    if name in _DATA:
        items = value.content if isinstance(value.content, list) else [] if value.is_null else [value]
        return Value([_with_key("path", item) for item in items], value.where)
    if name == "heads":
        return _long_heads(value)
    if name in _LISTS and isinstance(value.content, str) and not value.is_null:
        return Value([Value(part.strip(), value.where) for part in value.content.split(",")], value.where)
    return value


def _long_heads(value: Value) -> Value:
    content = value.content
    if isinstance(content, str):
        content = [Value(part.strip(), value.where) for part in content.split(",")]
    if isinstance(content, list):
        content = {item.content: item for item in content if isinstance(item.content, str)}
    return Value({name: _long_head(name, item) for name, item in content.items()}, value.where)


def _long_head(name: str, value: Value) -> Value:
    """A head; its task is its name, unless it names another."""
    if value.is_null:
        return Value({"task": Value(name, value.where)}, value.where)
    head = _with_key("task", value)
    if isinstance(head.content, dict) and "task" not in head.content and name in TASKS:
        return Value({"task": Value(name, value.where), **head.content}, value.where)
    return head


def _with_key(key: str, value: Value) -> Value:
    return Value({key: value}, value.where) if isinstance(value.content, str) else value


# Writing -------------------------------------------------------------------------------------------------------------


def write_recipe(options: TrainingOptions, path: str | os.PathLike[str]) -> None:
    """Write all options, defaults included, as a recipe that gives the same options from any working folder.

    Paths are written relative to the recipe. The same options give the same bytes.

    Raises:
        OptionError: If the file cannot be written.
        MissingExtra: If PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra('recipes need PyYAML: pip install "lexel[train]"') from error
    place = Path(path)
    values = _unrooted(as_plain(options), place.parent)
    text = yaml.dump(values, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=120)
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OptionError(f"{place}: cannot be written ({error.strerror}); choose another path") from error


def _dumper() -> Any:
    """A dumper that quotes texts that would be read as something else."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """PyYAML's safe dumper, except for texts."""

    def text(dumper: Any, value: str) -> Any:
        style = None if Value(value, "").plain() == value else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def _unrooted(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make paths that are relative to the working folder relative to another folder."""

    def path(place: str | None) -> str | None:
        return place if place is None or Path(place).is_absolute() else os.path.relpath(place, folder)

    for key in ("model", "teacher"):
        model = values[key]
        if model is not None and Path(model).is_dir():
            values[key] = model if Path(model).is_absolute() else os.path.join(".", os.path.relpath(model, folder))
    if values["teacher"] is None:
        del values["distill"]
    for key in ("output_dir", "tokenizer"):
        values[key] = path(values[key])
    for key in _DATA:
        values[key] = [_without_nulls({**file, "path": path(file["path"])}) for file in values[key]]
    values["heads"] = {name: _without_nulls(head) for name, head in values["heads"].items()}
    return values


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}

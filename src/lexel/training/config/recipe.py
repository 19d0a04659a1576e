"""Recipes: the options of a training run as a YAML file, and as words on a command line.

A recipe has the options' names as its keys, in any order:

    model: hfl/rbt3
    heads: [words, entities]
    train:
      - train.conllu
      - {path: silver.jsonl, weight: 0.5, layers: [words]}
    validation: dev.conllu
    output_dir: my-model
    learning_rate: 2e-5

Each value is read as its option's type, not as what YAML would take it for, so that ``2e-5`` is a number and
``eval_strategy: no`` a strategy. Relative paths are relative to the recipe. All that is wrong is said at once.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lexel.errors import MissingExtra, OptionError
from lexel.training.config.options import DataFile, DistillOptions, HeadOptions, HeadTask, TrainingOptions, refusal_of

_TRUE, _FALSE, _NULL = ("true", "yes", "on"), ("false", "no", "off"), ("null", "~", "")
_NUMBER = re.compile(r"-?[0-9]+((?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)")
_DATA = ("train", "validation", "test")
_MAPPINGS = ("config", "card", "distill")
"""Options with keys of their own, which are replaced key by key."""
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
    "fp16": "bf16",
}
"""What other programs call an option, where the names are not near each other."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it was written, before it is known what it should be.

    Attributes:
        content: A text, or values by key, or a list of values.
        where: ``recipe.yaml:12``, or the option's name on the command line.
        is_quoted: Whether a text stood in quotes: it is then no number, nor nothing.
    """

    content: str | dict[str, Value] | list[Value]
    where: str
    is_quoted: bool = False


# Reading -------------------------------------------------------------------------------------------------------------


def read_recipe(path: str | os.PathLike[str]) -> dict[str, Value]:
    """Read a recipe's values, its relative paths made relative to the working folder.

    Raises:
        OptionError: If it is not a YAML mapping, or holds a key twice, an alias or a tag.
        MissingExtra: If PyYAML is not installed.
    """
    place = Path(path)
    try:
        text = place.read_text(encoding="utf-8")
    except OSError as error:
        raise OptionError(f"{place}: cannot be read ({error.strerror}); expected a recipe in YAML") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{place}: is not UTF-8 ({error.reason}); expected a recipe in YAML") from error
    read = _parse(text, str(place))
    if not isinstance(read.content, dict):
        raise OptionError(f"{read.where}: expected options, such as 'train: train.conllu', a line each")
    return {key: _rooted(key, value, place.parent) for key, value in read.content.items()}


def read_words(name: str, words: Sequence[str], *, where: str) -> Value:
    """Read what stands after an option on the command line.

    Lists are given by repeating the option, or with commas; what has keys as ``key=value`` or as YAML in braces.
    """
    hint = get_type_hints(TrainingOptions)[name]
    if len(words) == 1 and words[0].lstrip().startswith("{" if name in _DATA else ("{", "[")):
        return _parse(words[0], where)
    if name in _DATA:
        return Value([_parse(word, where) if word.startswith("{") else Value(word, where) for word in words], where)
    if name == "heads" or _takes(hint, tuple):
        return Value([Value(part, where) for word in words for part in word.split(",") if part], where)
    if (name in _MAPPINGS or _takes(hint, Mapping)) and all("=" in word for word in words):
        pairs = (word.partition("=") for word in words)
        return Value({key.strip(): Value(value.strip(), where) for key, _, value in pairs}, where)
    return Value(words[-1], where)


def _takes(hint: Any, kind: Any) -> bool:
    return any(get_origin(arm) is kind for arm in _arms(hint))


def _parse(text: str, where: str) -> Value:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra('recipes need PyYAML: pip install "lexel[train]"') from error
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise OptionError(f"{where}:{event.start_mark.line + 1}: an alias; expected the value itself")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        said = getattr(error, "problem", None) or str(error)
        raise OptionError(f"{where}{line}: is not YAML ({said}); expected 'option: value', a line each") from error
    return Value("", where) if node is None else _value(node, where)


def _value(node: Any, where: str) -> Value:
    """A node of YAML's tree, with its line if it is from a file."""
    place = where if where.startswith("-") else f"{where}:{node.start_mark.line + 1}"
    if node.id == "scalar":
        return Value(str(node.value), place, is_quoted=node.style is not None)
    if node.id == "sequence":
        return Value([_value(item, where) for item in node.value], place)
    read: dict[str, Value] = {}
    for key, value in node.value:
        line = place if where.startswith("-") else f"{where}:{key.start_mark.line + 1}"
        if key.id != "scalar":
            raise OptionError(f"{line}: a key of several parts; expected a name")
        if key.value in read:
            raise OptionError(f"{line}: {key.value!r} stands twice; expected it once")
        read[key.value] = replace(_value(value, where), where=line)
    return Value(read, place)


def _rooted(key: str, value: Value, folder: Path) -> Value:
    """The value of a key with its relative paths made relative to the working folder."""
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
    if not isinstance(value.content, str) or _is_null(value):
        return value
    return Value(os.path.normpath(folder / Path(value.content).expanduser()), value.where, is_quoted=True)


# From values to options ----------------------------------------------------------------------------------------------


def build_options(*layers: Mapping[str, Value]) -> TrainingOptions:
    """Make the options from values, those of a later layer in place of an earlier one's.

    Values of ``config``, ``card`` and ``distill`` are replaced key by key.

    Raises:
        OptionError: Naming every key that is unknown and every value that is of another type, or what is out of range.
    """
    values: dict[str, Value] = {}
    for layer in layers:
        for key, value in layer.items():
            values[key] = _joined(values[key], value) if key in _MAPPINGS and key in values else value
    problems: list[str] = []
    made = _Reader(problems).made(TrainingOptions, values, where="")
    if problems:
        raise OptionError("; ".join(problems))
    try:
        return TrainingOptions(**made)
    except OptionError as error:
        key = str(error).partition(":")[0]
        raise OptionError(f"{values[key].where}: {error}" if key in values else str(error)) from None


def first_data_file(values: Mapping[str, Value]) -> DataFile | None:
    """The first file to learn from, if there is one that can be read as such."""
    if "train" not in values:
        return None
    problems: list[str] = []
    try:
        hint = get_type_hints(TrainingOptions)["train"]
        files = _Reader(problems).read(hint, _short_form("train", values["train"]))
    except _WrongError:
        return None
    return files[0] if files and not problems else None


def _joined(old: Value, new: Value) -> Value:
    if isinstance(old.content, dict) and isinstance(new.content, dict):
        return Value({**old.content, **new.content}, new.where)
    return new


class _WrongError(Exception):
    """A value of another type: where it stands, and what it is and should be."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{found}; expected {expected}")
        self.where = where


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads values as the types that options have; what cannot be read is added to the problems."""

    problems: list[str]

    def made(self, kind: Any, values: Mapping[str, Value], *, where: str) -> dict[str, Any]:
        """The arguments of a class of options."""
        hints = get_type_hints(kind)
        made: dict[str, Any] = {}
        for key, value in values.items():
            if key not in hints:
                self.problems.append(f"{value.where}: {key!r} is no option{_nearest(key, hints)}")
                continue
            if key == "method" and isinstance(value.content, str) and (refused := refusal_of(value.content)):
                self.problems.append(f"{value.where}: {refused}")
                continue
            try:
                made[key] = self.read(hints[key], _short_form(key, value) if kind is TrainingOptions else value)
            except _WrongError as wrong:
                self.problems.append(_said(wrong.where, key, wrong))
        required = [field.name for field in fields(kind) if field.default is field.default_factory is MISSING]
        missing = [name for name in required if name not in values]
        if missing:
            at = f"{where}: " if where else ""
            self.problems.append(f"{at}{', '.join(missing)}: not given; expected by every {_what(kind)}")
        return made

    def read(self, hint: Any, value: Value) -> Any:
        """The value as a type."""
        arms = _arms(hint)
        if type(None) in arms and _is_null(value):
            return None
        for arm in arms:
            if arm is not type(None) and _fits(arm, value):
                return self._read_as(arm, value)
        expected = " or ".join(_described(arm) for arm in arms if arm is not type(None))
        raise _WrongError(value.where, _shown(value), expected)

    def _read_as(self, kind: Any, value: Value) -> Any:
        content = value.content
        if kind is Any:
            return _plain(value)
        if isinstance(content, dict):
            if is_dataclass(kind):
                return self._read_class(kind, content, value)
            return {key: self.read(get_args(kind)[1], item) for key, item in content.items()}
        if isinstance(content, list):
            return tuple(self.read(get_args(kind)[0], item) for item in content)
        return _scalar(kind, content, value.is_quoted)

    def _read_class(self, kind: Any, content: Mapping[str, Value], value: Value) -> Any:
        n_problems = len(self.problems)
        arguments = self.made(kind, content, where=value.where)
        if len(self.problems) > n_problems:
            return None
        try:
            return kind(**arguments)
        except OptionError as error:
            self.problems.append(f"{value.where}: {error}")
            return None


def _said(where: str, key: str, wrong: Exception) -> str:
    return f"{where}: {wrong}" if where.startswith("-") else f"{where}: {key}: {wrong}"


def _arms(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _fits(kind: Any, value: Value) -> bool:
    """Whether a value has the form of a type: keys, a list, or a text that can be read."""
    origin = get_origin(kind)
    if kind is Any:
        return True
    if isinstance(value.content, dict):
        return is_dataclass(kind) or (origin is not None and origin not in (tuple, Literal))
    if isinstance(value.content, list):
        return origin is tuple
    try:
        _scalar(kind, value.content, value.is_quoted)
    except (TypeError, ValueError):
        return False
    return True


def _scalar(kind: Any, text: str, is_quoted: bool) -> Any:
    """A text as a type.

    Raises:
        ValueError: If it cannot be read so.
        TypeError: If the type is not one of texts.
    """
    if kind is str:
        return text
    if get_origin(kind) is Literal and text in get_args(kind):
        return text
    if kind is bool and not is_quoted and text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    if kind in (int, float) and not is_quoted:
        return kind(text)
    raise TypeError(kind)


def _plain(value: Value) -> Any:
    """A value of any type: what JSON would take it for, else a text."""
    if isinstance(value.content, dict):
        return {key: _plain(item) for key, item in value.content.items()}
    if isinstance(value.content, list):
        return [_plain(item) for item in value.content]
    if _is_null(value):
        return None
    if value.is_quoted:
        return value.content
    if match := _NUMBER.fullmatch(value.content):
        return float(value.content) if match[1] else int(value.content)
    return {"true": True, "false": False}.get(value.content.lower(), value.content)


def _is_null(value: Value) -> bool:
    return isinstance(value.content, str) and not value.is_quoted and value.content.lower() in _NULL


def _short_form(key: str, value: Value) -> Value:
    """Short forms written out: one file for a list of files, a path for a file, tasks for heads, one for a tuple."""
    if key in _DATA:
        items = value.content if isinstance(value.content, list) else [] if _is_null(value) else [value]
        return Value([_with_key("path", item) for item in items], value.where)
    if key == "heads":
        return _long_heads(value)
    if key in ("report_to", "target_modules") and isinstance(value.content, str) and not _is_null(value):
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
    """A head's task is its name, if it does not say another."""
    if _is_null(value):
        return Value({"task": Value(name, value.where)}, value.where)
    head = _with_key("task", value)
    if isinstance(head.content, dict) and "task" not in head.content and name in get_args(HeadTask):
        return Value({"task": Value(name, value.where), **head.content}, value.where)
    return head


def _with_key(key: str, value: Value) -> Value:
    return Value({key: value}, value.where) if isinstance(value.content, str) else value


def _nearest(key: str, names: Iterable[str]) -> str:
    names = list(names)
    name = key.replace("-", "_").lower()
    other = _OTHER_NAMES.get(name)
    near = [other] if other in names else get_close_matches(name, names, n=1, cutoff=0)
    return f"; did you mean {near[0]!r}?"


def _what(kind: Any) -> str:
    return {TrainingOptions: "training", HeadOptions: "head", DataFile: "data file", DistillOptions: "teacher"}[kind]


def _shown(value: Value) -> str:
    if isinstance(value.content, dict):
        return "keys and values"
    return "a list" if isinstance(value.content, list) else repr(value.content)


def _described(kind: Any) -> str:
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    if kind in names:
        return names[kind]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}" if len(get_args(kind)) > 1 else str(get_args(kind)[0])
    return "a list" if get_origin(kind) is tuple else "keys and values"


# Writing -------------------------------------------------------------------------------------------------------------


def write_recipe(options: TrainingOptions, path: str | os.PathLike[str]) -> None:
    """Write all options, defaults too, as a recipe that reads back as the same options wherever it is run from.

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
    values = _unrooted(_lists(asdict(options)), place.parent)
    text = yaml.dump(values, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=120)
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OptionError(f"{place}: cannot be written ({error.strerror}); expected a place for the recipe") from error


def _dumper() -> Any:
    """A dumper that quotes texts which would be read as something else here."""
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """YAML's own, apart from texts."""

    def text(dumper: Any, value: str) -> Any:
        style = None if _plain(Value(value, "")) == value else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def _lists(value: Any) -> Any:
    """The value in YAML's types."""
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def _unrooted(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The values with the working folder's relative paths made relative to another folder."""

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

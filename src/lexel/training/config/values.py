"""The values of a recipe as written, each with its line, before their types are known."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from lexel.errors import MissingExtra, OptionError

_NULL = ("null", "~", "")
_NUMBER = re.compile(r"-?[0-9]+((?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written.

    Attributes:
        content: A text, a mapping, or a list.
        where: ``recipe.yaml:12``, or the name of a command-line option.
        is_quoted: Whether a text is in quotes, so that it never means null.
    """

    content: str | dict[str, Value] | list[Value]
    where: str
    is_quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether the value is YAML's null."""
        return isinstance(self.content, str) and not self.is_quoted and self.content.lower() in _NULL

    @property
    def is_typed(self) -> bool:
        """Whether the value comes from the command line."""
        return self.where.startswith("-")

    def texts(self) -> Any:
        """The value as mappings, lists, texts and ``None``; the options' types decide what each text means."""
        if isinstance(self.content, dict):
            return {key: value.texts() for key, value in self.content.items()}
        if isinstance(self.content, list):
            return [value.texts() for value in self.content]
        return None if self.is_null else self.content

    def plain(self) -> Any:
        """The value as JSON would read it, for options that take any value."""
        if isinstance(self.content, dict):
            return {key: value.plain() for key, value in self.content.items()}
        if isinstance(self.content, list):
            return [value.plain() for value in self.content]
        if self.is_null or self.is_quoted:
            return None if self.is_null else self.content
        if match := _NUMBER.fullmatch(self.content):
            return float(self.content) if match[1] else int(self.content)
        return {"true": True, "false": False}.get(self.content.lower(), self.content)

    def at(self, path: tuple[str | int, ...]) -> Value:
        """The value inside this one at a path of keys and indexes."""
        value: Any = self
        for step in path:
            value = value.content[step]
        assert isinstance(value, Value)
        return value


def parse_yaml(text: str, where: str) -> Value:
    """Parse YAML without its types.

    Args:
        text: The YAML text.
        where: The file's path, or the command-line option that holds the text.

    Raises:
        OptionError: If it is not YAML, or has a duplicate key or an alias.
        MissingExtra: If PyYAML is not installed.
    """
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
        problem = getattr(error, "problem", None) or str(error)
        raise OptionError(f"{where}{line}: not YAML ({problem}); expected 'option: value' on each line") from error
    return Value("", where) if node is None else _value(node, where)


def _value(node: Any, where: str) -> Value:
    """A node of YAML's tree, with its line if it is from a file."""

    def place(of: Any) -> str:
        return where if where.startswith("-") else f"{where}:{of.start_mark.line + 1}"

    if node.id == "scalar":
        return Value(str(node.value), place(node), is_quoted=node.style is not None)
    if node.id == "sequence":
        return Value([_value(item, where) for item in node.value], place(node))
    content: dict[str, Value] = {}
    for key, value in node.value:
        if key.id != "scalar":
            raise OptionError(f"{place(key)}: a key of several parts; expected a name")
        if key.value in content:
            raise OptionError(f"{place(key)}: duplicate key {key.value!r}; expected it once")
        content[key.value] = replace(_value(value, where), where=place(key))
    return Value(content, place(node))

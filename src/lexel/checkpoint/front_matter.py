"""The front matter of a card: YAML between two lines of ``---`` at the start of ``README.md``."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

_FENCE = re.compile(r"---\s*")
_KEY = re.compile(r"([A-Za-z_][\w-]*)\s*:")
_PLAIN = re.compile(r"[\w-]+:[ \t]+([A-Za-z][\w.+-]*)\s*")
_NOT_STRINGS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n"))
_MOST_CHARS = 20_000


def front_matter_of(text: str) -> str | None:
    """The YAML of a card's front matter; ``None`` if the card has none, or if its end is missing."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or not _FENCE.fullmatch(lines[0]):
        return None
    for i, line in enumerate(lines[1:], 1):
        if _FENCE.fullmatch(line):
            return "\n".join(lines[1:i])
    return None


def read_keys(text: str, keys: Collection[str]) -> dict[str, Any]:
    """Some top-level values of a card's front matter, by the key in lower case.

    Only the lines of these keys are parsed. So the licence can be read even if other lines are not valid YAML, and a
    long ``model-index`` takes no time when a model is loaded. Values that cannot be parsed are left out.
    """
    found: dict[str, Any] = {}
    for key, block in _blocks(front_matter_of(text) or "", keys):
        if key in found:
            continue
        plain = _PLAIN.fullmatch(block)
        if plain and plain[1].lower() not in _NOT_STRINGS:  # most licences are one word, which needs no parser
            found[key] = plain[1]
        elif (values := _parsed(block)) is not None:
            found[key] = next(iter(values.values()))
    return found


def _parsed(block: str) -> dict[str, Any] | None:
    import yaml  # takes 10 ms

    try:
        values = yaml.safe_load(block[:_MOST_CHARS])
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _blocks(front: str, keys: Collection[str]) -> list[tuple[str, str]]:
    """The lines from each of these keys up to the next top-level key."""
    blocks: list[tuple[str, list[str]]] = []
    for line in front.split("\n"):
        if match := _KEY.match(line):
            blocks.append((match[1].lower(), [line]))
        elif blocks:
            blocks[-1][1].append(line)
    return [(key, "\n".join(lines)) for key, lines in blocks if key in keys]

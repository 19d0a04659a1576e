"""Reads the values of a ``config.json``, each checked on access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lexel.errors import CheckpointError


class Values:
    """A config's values by the file's own keys; an absent or null key has its default.

    Args:
        values: The file's object.
        where: The file's path, for messages.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self.where = where

    def has(self, key: str) -> bool:
        """Whether the key exists, with any value."""
        return key in self._values

    def get(self, key: str) -> Any:
        """The unchanged value, or ``None``."""
        return self._values.get(key)

    def size(self, key: str, *, default: int | None = None, least: int = 1) -> int:
        """An integer of at least ``least``.

        Raises:
            CheckpointError: If the value is not one.
        """
        value = self._or(key, default)
        if type(value) is not int or value < least:
            raise self.error(key, f"a whole number of at least {least}")
        return value

    def number(self, key: str, *, default: float | None = None, below: float = float("inf")) -> float:
        """A number from 0 to less than ``below``.

        Raises:
            CheckpointError: If the value is not one.
        """
        value = self._or(key, default)
        if type(value) not in (int, float) or not 0 <= value < below:
            raise self.error(key, "a number of at least 0" + (f", below {below:g}" if below < float("inf") else ""))
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false.

        Raises:
            CheckpointError: If it is neither.
        """
        value = self._or(key, default)
        if type(value) is not bool:
            raise self.error(key, "true or false")
        return value

    def choice(self, key: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """One of the given words.

        Raises:
            CheckpointError: If it is another.
        """
        value = self._or(key, default)
        if value not in choices:
            raise self.error(key, f"one of {', '.join(choices)}")
        return str(value)

    def error(self, key: str, expected: str) -> CheckpointError:
        """The error for an invalid value."""
        return CheckpointError(f"{self.where}: {key} is {self._values.get(key)!r}; expected {expected}")

    def _or(self, key: str, default: Any) -> Any:
        value = self._values.get(key)
        return default if value is None else value

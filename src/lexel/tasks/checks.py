"""Checks of a task's input: one text, several texts, and each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count

from lexel.errors import DataError


def check_one(text: object) -> None:
    """Refuse anything but one text.

    Raises:
        TypeError: Naming the type that was found.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"expected one text (str), found {type(text).__name__}; for several, iterate over stream(texts)"
        )


def check_several(texts: object, *, reader: str) -> None:
    """Refuse one text where several are expected: it would be read letter by letter.

    Args:
        texts: The argument.
        reader: The function for one text, for the message.

    Raises:
        TypeError: If it is one text.
    """
    if isinstance(texts, str):
        raise TypeError(f"expected several texts, found one str; call the {reader} on it")


def check_text(number: int, text: object, *, max_chars: int | None = None) -> str:
    """The text, if it can be read.

    Args:
        number: Its number from 0, for messages.
        text: The text.
        max_chars: Maximum number of characters.

    Raises:
        TypeError: If it is not a string.
        DataError: If it is too long.
    """
    if not isinstance(text, str):
        raise TypeError(f"text {number}: expected str, found {type(text).__name__}")
    check_length(text, what=f"text {number}", max_chars=max_chars)
    return text


def check_each(texts: Iterable[str]) -> Iterator[str]:
    """The texts, lazily, each one checked.

    Raises:
        TypeError: For anything but a string.
    """
    return map(check_text, count(), texts)


def check_length(*texts: str, what: str, max_chars: int | None) -> None:
    """Refuse a text, or several texts together, with too many characters.

    Raises:
        DataError: Naming the text.
    """
    n_chars = sum(map(len, texts))
    if max_chars is not None and n_chars > max_chars:
        raise DataError(f"{what}: {n_chars} characters; expected at most {max_chars} (max_chars)")

"""Looking at what a task is asked to read: one text, several, and each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lexel.errors import DataError


def check_one(text: object) -> None:
    """Refuse what is not one text.

    Raises:
        TypeError: Saying what it is.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"expected one text (str), found {type(text).__name__}; for several, iterate over stream(texts)"
        )


def check_several(texts: object, *, reader: str) -> None:
    """Refuse one text where several are expected, which would be read letter by letter.

    Args:
        texts: What was given.
        reader: What to call on one text, for the message.

    Raises:
        TypeError: If it is one.
    """
    if isinstance(texts, str):
        raise TypeError(f"expected several texts, found one str; call the {reader} on it")


def check_each(texts: Iterable[str], *, max_chars: int | None = None) -> Iterator[str]:
    """The texts as they come, each one looked at.

    Raises:
        TypeError: For what is no text.
        DataError: For a text that is too long.
    """
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"text {number}: expected str, found {type(text).__name__}")
        check_length(text, what=f"text {number}", max_chars=max_chars)
        yield text


def check_length(*texts: str, what: str, max_chars: int | None) -> None:
    """Refuse a text, or texts together, of more characters than are taken.

    Raises:
        DataError: Saying which.
    """
    n_chars = sum(map(len, texts))
    if max_chars is not None and n_chars > max_chars:
        raise DataError(f"{what}: {n_chars} characters; expected at most {max_chars} (max_chars)")

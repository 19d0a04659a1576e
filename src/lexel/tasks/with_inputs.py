"""Pairs streamed inputs with their results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")
Context = TypeVar("Context")


def with_inputs(
    given: Iterable[Given], read: Callable[[Iterator[Given]], Iterable[Found]]
) -> Iterator[tuple[Given, Found]]:
    """Pair each item with its result, while both stream; only the items in progress are kept.

    Args:
        given: The items, read lazily.
        read: Returns the results of items, in order.
    """
    waiting: deque[Given] = deque()

    def noted() -> Iterator[Given]:
        for item in given:
            waiting.append(item)
            yield item

    for found in read(noted()):
        yield waiting.popleft(), found


def with_context(
    pairs: Iterable[tuple[Given, Context]], read: Callable[[Iterator[Given]], Iterable[Found]]
) -> Iterator[tuple[Found, Context]]:
    """Read texts that come with other data of any kind, and return each result with its data.

    >>> for document, row in with_context(((row["text"], row) for row in rows), nlp.stream):    # doctest: +SKIP

    Args:
        pairs: Each text with its data, read lazily.
        read: The ``stream`` of any task.
    """
    pairs_found = with_inputs(pairs, lambda given: read(text for text, _ in given))
    return ((found, context) for (_, context), found in pairs_found)

"""Inputs paired with their results, while both stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def with_inputs(
    given: Iterable[Given], read: Callable[[Iterator[Given]], Iterable[Found]]
) -> Iterator[tuple[Given, Found]]:
    """Pair each item with what is found in it, while both stream; only items in flight are kept.

    Args:
        given: What is read, lazily.
        read: Gives what is found in each of some items, in order.
    """
    waiting: deque[Given] = deque()

    def noted() -> Iterator[Given]:
        for item in given:
            waiting.append(item)
            yield item

    for found in read(noted()):
        yield waiting.popleft(), found

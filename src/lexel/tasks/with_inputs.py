"""Each thing that was read beside what was read of it, while both stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


def beside(given: Iterable[Given], read: Callable[[Iterator[Given]], Iterable[Found]]) -> Iterator[tuple[Given, Found]]:
    """Each item with what is found in it; only what is on its way is kept.

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

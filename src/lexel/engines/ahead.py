"""Runs an iterator in a separate thread, a few items ahead of its consumer."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_END = object()


class _Failure:
    """The error that ended the iterator."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Takes items from an iterable in a thread, and returns them in order; used in a ``with`` block.

    At most ``depth + 1`` items are ready and not yet returned: those in the queue, and one that waits for room in it.
    An error of the iterable is raised in the place of its next item. Leaving the block ends the thread: it waits for
    the item in progress, and closes the iterable in the thread that ran it.

    Args:
        items: The iterable; nothing is taken before the block is entered.
        depth: Number of items to keep ready.
        name: The thread's name.
    """

    def __init__(self, items: Iterable[T], *, depth: int, name: str) -> None:
        self._items = items
        self._ready: Queue[object] = Queue(maxsize=depth)
        self._stopped = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name=name, daemon=True)

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._make_room()
        # The collector may close a forgotten caller in this very thread, or when the interpreter stops all threads.
        if self._thread is not threading.current_thread() and not sys.is_finalizing():
            self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while (item := self._ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]  # the queue holds T, a failure, or the end

    def _work(self) -> None:
        last: object = _END
        try:
            self._take()
        except BaseException as error:  # noqa: BLE001 (it is raised again where the items are given out)
            last = _Failure(error)
        if not self._stopped.is_set():
            self._ready.put(last)

    def _take(self) -> None:
        iterator = iter(self._items)
        try:
            for item in iterator:
                if self._stopped.is_set():
                    return
                self._ready.put(item)
        finally:
            if (close := getattr(iterator, "close", None)) is not None:
                close()

    def _make_room(self) -> None:
        """Let the thread continue if it waits for room; it puts at most one more item."""
        try:
            while True:
                self._ready.get_nowait()
        except Empty:
            return

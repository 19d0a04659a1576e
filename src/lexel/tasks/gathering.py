"""Inputs gathered into lists that are large enough to compute well, and given out early when their source waits.

A collection (a list, a tuple, anything that has a length) never waits, so it is read in the caller's thread. Any other
iterable may wait for a person, a socket or a queue. It is read in a thread of its own: only so can the results of what
it gave come out while it waits for more.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Generic, NamedTuple, TypeVar

BLOCK_CHARS = 16_384
"""Characters gathered into a list; a longer text is a list of its own."""

PATIENCE_S = 0.02
"""How long the first input of a list waits for others. Fast sources fill a list sooner than that."""

_CLOSING_S = 0.2
"""How long closing waits for a source; one that waits longer ends with the next input that it gives."""

T = TypeVar("T")


class Input(NamedTuple, Generic[T]):
    """An input on its way into a list.

    Attributes:
        item: The input.
        size: Its characters.
        kind: Inputs of different kinds never share a list; one of no kind goes with any.
    """

    item: T
    size: int
    kind: object = None


def gather(inputs: Generator[Input[T], None, None], *, most: int = BLOCK_CHARS) -> Generator[list[T], None, None]:
    """Gather inputs, in order, into lists of about ``most`` characters, in the caller's thread."""
    filling = _Filling[T](most)
    with closing(inputs):
        for one in inputs:
            if filling.differs(one):
                yield filling.take()
            filling.add(one)
            if filling.is_full:
                yield filling.take()
    if filling.items:
        yield filling.take()


class _Filling(Generic[T]):
    """The list that is being filled."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kind: object = None
        self.items: list[T] = []
        self.size = 0

    def differs(self, one: Input[T]) -> bool:
        return None not in (one.kind, self._kind) and one.kind != self._kind

    def add(self, one: Input[T]) -> None:
        self.items.append(one.item)
        self.size += one.size + 1  # an empty text takes room too
        if one.kind is not None:
            self._kind = one.kind

    @property
    def is_full(self) -> bool:
        return self.size >= self._most

    def take(self) -> list[T]:
        items, self.items, self.size, self._kind = self.items, [], 0, None
        return items


class LiveGatherer(Generic[T]):
    """Gathers inputs as ``gather`` does, in a thread, and gives out shorter lists where their source is slow.

    It is an iterator over lists, used in a ``with`` block. An empty list says that the source is waiting: it comes
    once, before the next list is waited for. No more than one list is ready, and the source is not read on before it
    is taken. An error of the source is raised behind the inputs before it.

    Leaving the block ends the iterator, also where another thread waits for it, and closes the source in the thread
    that reads it. A source that is waiting cannot be closed: its thread closes it when it gives its next input.

    Args:
        inputs: The inputs; nothing is read before the block is entered.
        most: See ``gather``.
    """

    def __init__(self, inputs: Generator[Input[T], None, None], *, most: int = BLOCK_CHARS) -> None:
        self._inputs = inputs
        self._filling = _Filling[T](most)
        self._begun = 0.0  # when the first input of the list came
        self._ready: list[T] | None = None
        self._may_pause = False  # since the last pause, a list was given out
        self._gave_short = False  # the last list was given out before it was full
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="lexel-source", daemon=True)

    def __enter__(self) -> LiveGatherer[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        # The collector may close a forgotten caller in this very thread, or when the interpreter stops all threads.
        if self._thread is not threading.current_thread() and not sys.is_finalizing():
            self._thread.join(_CLOSING_S)

    def stop(self) -> None:
        """End the iterator, whoever waits for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[list[T]]:
        return self

    def __next__(self) -> list[T]:
        with self._changed:
            silent_since = time.monotonic()
            while not self._stopped:
                now = time.monotonic()
                if self._ready is not None:
                    items, self._ready = self._ready, None
                    self._changed.notify_all()
                    return self._given(items, is_short=False)
                if self._filling.items:
                    left = self._begun + PATIENCE_S - now
                    if left <= 0 or self._ended:
                        return self._given(self._filling.take(), is_short=True)
                elif self._ended:
                    break
                elif not self._may_pause:
                    left = None
                else:
                    left = silent_since + PATIENCE_S - now
                    if left <= 0 or self._gave_short:
                        return self._given([], is_short=False)
                self._changed.wait(left)
        if self._error is not None and not self._stopped:
            raise self._error
        raise StopIteration

    def _given(self, items: list[T], *, is_short: bool) -> list[T]:
        self._may_pause = bool(items)
        self._gave_short = is_short
        return items

    def _work(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 (it is raised again where the lists are given out)
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read(self) -> None:
        with closing(self._inputs) as inputs:
            for one in inputs:
                with self._changed:
                    if self._stopped or not self._put(one):
                        return

    def _put(self, one: Input[T]) -> bool:
        """Add an input to the list, and wait for room for the next; false if nobody wants it any more."""
        if self._filling.differs(one):
            self._hand_over()
        if not self._filling.items:
            self._begun = time.monotonic()
            self._changed.notify_all()
        self._filling.add(one)
        if self._filling.is_full:
            self._hand_over()
        return not self._stopped

    def _hand_over(self) -> None:
        """Make the list that is full the one that is ready, and wait until it is taken."""
        self._ready = self._filling.take()
        self._changed.notify_all()
        while self._ready is not None and not self._stopped:
            self._changed.wait()

"""Shares engines fairly: the batches of several callers enter in turn, a few at a time.

A long text takes hundreds of batches. Without turns, a short text that arrives a moment later waits for all of them.
With turns, it waits only for those in progress, and then for one batch of each other caller.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from lexel.engines.base import Engine, Rows, Scores, run_ahead

AHEAD = 3
"""Number of a caller's batches that wait or are computed while it makes the next one."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A batch that waits for its turn."""

    engine: Engine
    rows: Rows
    outputs: Sequence[str]
    result: Future[Scores]


class Turns:
    """Lets batches into engines in turn, caller by caller.

    A caller is a thread. Safe to call from several of them.

    Args:
        in_flight: Maximum number of batches in the engines at the same time.
    """

    def __init__(self, in_flight: int) -> None:
        self._free = in_flight
        self._waiting: dict[int, deque[_Turn]] = {}  # by caller, in the order of their next turns
        self._lock = threading.Lock()

    def submit(self, engine: Engine, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """Compute a batch when its turn comes."""
        turn = _Turn(engine, rows, outputs, Future())
        with self._lock:
            self._waiting.setdefault(threading.get_ident(), deque()).append(turn)
        self._start_next()
        return turn.result

    def _start_next(self) -> None:
        while (turn := self._next()) is not None:
            try:
                running = turn.engine.submit(turn.rows, turn.outputs)
            except Exception as error:  # noqa: BLE001 (the caller's future raises it)
                self._finish(turn, partial(_raise, error))
            else:
                running.add_done_callback(partial(self._arrived, turn))

    def _next(self) -> _Turn | None:
        with self._lock:
            if not self._free or not self._waiting:
                return None
            self._free -= 1
            caller = next(iter(self._waiting))
            turns = self._waiting.pop(caller)
            turn = turns.popleft()
            if turns:
                self._waiting[caller] = turns  # after all others
            return turn

    def _arrived(self, turn: _Turn, done: Future[Scores]) -> None:
        self._finish(turn, done.result)
        self._start_next()

    def _finish(self, turn: _Turn, result: Callable[[], Scores]) -> None:
        with self._lock:
            self._free += 1
        try:
            scores = result()
        except Exception as error:  # noqa: BLE001 (the caller's future raises it)
            turn.result.set_exception(error)
        else:
            turn.result.set_result(scores)


def _raise(error: Exception) -> Scores:
    raise error


class SharedEngine:
    """An engine whose batches wait for their turns; see ``lexel.engines.base.Engine``.

    Args:
        engine: The engine.
        turns: Shared by all engines of a server.
        check: Called before each batch; an exception ends the caller's reading.
    """

    def __init__(self, engine: Engine, turns: Turns, check: Callable[[], None]) -> None:
        self._engine = engine
        self._turns = turns
        self._check = check
        self.name: str = engine.name
        self.precision: str = engine.precision
        self.device: str = engine.device
        self.threads: int = engine.threads
        self.batch_pieces: int = engine.batch_pieces

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """Compute a batch when its turn comes."""
        self._check()
        return self._turns.submit(self._engine, rows, outputs)

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """Compute batches in order; see ``lexel.engines.base.Engine.run``."""
        return run_ahead(lambda rows: self.submit(rows, outputs), batches, in_flight=AHEAD)

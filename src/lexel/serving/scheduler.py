"""The queue between requests and engines, counted in pieces.

Short texts of one lane (a model, a task, its options) are read together: a thread takes whatever waits, up to a batch,
without a timer, so a lone request starts at once and a busy server reads full batches. Before the next batch it lets
the answers of the last one be sent, and what has arrived by then be queued. Each longer text has a thread
of its own while it is read, and takes turns with the others at the engine (``lexel.serving.turns``).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from lexel.errors import LexelError

BATCH_PIECES = 4_000
"""Pieces of short texts that are read together, and the longest of them."""

LONG_TEXTS = 2
"""Texts beyond ``BATCH_PIECES`` that are read at a time."""

_logger = logging.getLogger("lexel.serving")


class Lane(Protocol):
    """One way to read with one model. Items of equal lanes are read together."""

    @property
    def key(self) -> Hashable: ...

    def read(self, items: Sequence[Any]) -> Iterator[Any]:
        """A result for each item, in order; an item that cannot be read gives its error."""
        ...


class Ticket(Protocol):
    """What a request holds while its items are read."""

    @property
    def is_abandoned(self) -> bool: ...

    def receive(self, results: Sequence[tuple[int, Any]]) -> None:
        """Take results, each with its item's place in the request; called from the scheduler's threads."""
        ...


@dataclass(slots=True)
class Job:
    """An item of a request.

    Attributes:
        lane: How it is read.
        item: What is read.
        n_pieces: How much work it is.
        ticket: Whose it is.
        place: Which of the ticket's items it is.
        queued: When it was queued.
    """

    lane: Lane
    item: Any
    n_pieces: int
    ticket: Ticket
    place: int
    queued: float = field(default_factory=perf_counter)


class Abandoned(Exception):  # noqa: N818 (it is not an error)
    """Nobody waits for the text that is being read."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read together, for metrics.

    Attributes:
        n_items: How many items.
        n_pieces: How many pieces.
        waited_s: How long the first of them waited.
        took_s: How long reading took.
    """

    n_items: int
    n_pieces: int
    waited_s: float
    took_s: float


class Scheduler:
    """Reads jobs in threads of its own.

    Args:
        batch_pieces: Pieces of short texts that are read together.
        long_texts: Longer texts that are read at a time.
        watch: Called with each batch that was read.

    Attributes:
        before_next: Called between two batches of short texts.
    """

    def __init__(
        self,
        *,
        batch_pieces: int = BATCH_PIECES,
        long_texts: int = LONG_TEXTS,
        watch: Callable[[Batch], None] = lambda batch: None,
    ) -> None:
        self._batch_pieces = batch_pieces
        self._watch = watch
        self.before_next: Callable[[], None] = lambda: None
        self._short: dict[Hashable, deque[Job]] = {}  # by lane, the lane whose turn is next first
        self._long: deque[Job] = deque()
        lock = threading.Lock()
        self._has_short, self._has_long = threading.Condition(lock), threading.Condition(lock)
        self._closed = False
        self._reading = threading.local()
        takers = [(self._has_short, self._take_short), *[(self._has_long, self._take_long)] * long_texts]
        self._threads = [
            threading.Thread(target=self._work, args=taker, name=f"lexel-read-{i}", daemon=True)
            for i, taker in enumerate(takers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; each ticket receives its results, or errors in their place."""
        with self._has_short:  # both conditions have the same lock
            for job in jobs:
                if job.n_pieces > self._batch_pieces:
                    self._long.append(job)
                    self._has_long.notify()
                else:
                    self._short.setdefault(job.lane.key, deque()).append(job)
            self._has_short.notify()

    def close(self) -> None:
        """Read what is queued, then end the threads."""
        with self._has_short:
            self._closed = True
            self._has_short.notify_all()
            self._has_long.notify_all()
        for thread in self._threads:
            thread.join()

    def check_wanted(self) -> None:
        """Raise ``Abandoned`` in a reading thread if nobody waits for what it reads; engines ask before each batch."""
        jobs: Sequence[Job] = getattr(self._reading, "jobs", ())
        if jobs and all(job.ticket.is_abandoned for job in jobs):
            raise Abandoned

    def _work(self, has_some: threading.Condition, take: Callable[[], list[Job]]) -> None:
        while True:
            with has_some:
                while not (jobs := take()) and not self._closed:
                    has_some.wait()
            if not jobs:
                return
            self._read([job for job in jobs if not job.ticket.is_abandoned])
            if take == self._take_short:
                self.before_next()

    def _take_short(self) -> list[Job]:
        """Jobs of the lane whose turn it is, up to a batch."""
        if not self._short:
            return []
        key = next(iter(self._short))
        waiting = self._short.pop(key)
        jobs, n_pieces = [waiting.popleft()], 0
        while waiting and (n_pieces := n_pieces + jobs[-1].n_pieces) + waiting[0].n_pieces <= self._batch_pieces:
            jobs.append(waiting.popleft())
        if waiting:
            self._short[key] = waiting  # behind the other lanes
        return jobs

    def _take_long(self) -> list[Job]:
        return [self._long.popleft()] if self._long else []

    def _read(self, jobs: Sequence[Job]) -> None:
        """Read jobs of one lane together; after a failure, those without a result one by one."""
        if not jobs:
            return
        started = perf_counter()
        self._reading.jobs = jobs
        results: list[Any] = []
        failure: Exception | None = None
        try:
            for result in jobs[0].lane.read([job.item for job in jobs]):
                results.append(result)
        except Abandoned:
            return
        except LexelError as error:
            failure = error
        except Exception as error:  # a fault of ours: it must not end the thread that others wait for
            _logger.exception("reading failed")
            failure = error
        finally:
            self._reading.jobs = ()
        _deliver(jobs, results)
        self._watch(
            Batch(len(jobs), sum(job.n_pieces for job in jobs), started - jobs[0].queued, perf_counter() - started)
        )
        rest = jobs[len(results) :]
        if failure is not None and len(rest) == 1:
            _deliver(rest, [failure])
        elif failure is not None:
            for job in rest:
                self._read([job])


def _deliver(jobs: Sequence[Job], results: Sequence[Any]) -> None:
    """Give each ticket the results of its jobs at once."""
    by_ticket: dict[int, tuple[Ticket, list[tuple[int, Any]]]] = {}
    for job, result in zip(jobs, results, strict=False):
        by_ticket.setdefault(id(job.ticket), (job.ticket, []))[1].append((job.place, result))
    for ticket, found in by_ticket.values():
        ticket.receive(found)

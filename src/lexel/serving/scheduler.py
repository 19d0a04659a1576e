"""The queue between requests and engines, counted in pieces.

Short texts of one lane (a model, a task, its options) are read together: a thread takes all waiting texts, up to a
batch, without a timer, so a single request starts at once and a busy server reads full batches. Before the next batch,
it waits until the answers of the last one are sent and new requests are queued. Each longer text is read in its own
thread, and takes turns with the others at the engine (``lexel.serving.turns``).
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
"""Maximum number of pieces in a batch of short texts; also the maximum length of a short text."""

LONG_TEXTS = 2
"""Number of texts longer than ``BATCH_PIECES`` that are read at the same time."""

_logger = logging.getLogger("lexel.serving")


class Lane(Protocol):
    """A model, a task and its options. Items of equal lanes are read together."""

    @property
    def key(self) -> Hashable: ...

    def read(self, items: Sequence[Any]) -> Iterator[Any]:
        """A result for each item, in order; for an item that cannot be read, its error."""
        ...


class Ticket(Protocol):
    """Receives the results of a request while its items are read."""

    @property
    def is_abandoned(self) -> bool: ...

    def receive(self, results: Sequence[tuple[int, Any]]) -> None:
        """Take results, each with the place of its item in the request; called from the scheduler's threads."""
        ...


@dataclass(slots=True)
class Job:
    """An item of a request.

    Attributes:
        lane: The lane that reads it.
        item: The item.
        n_pieces: Its size in pieces.
        ticket: The ticket of its request.
        place: Its place among the ticket's items.
        queued: The time when it was queued.
    """

    lane: Lane
    item: Any
    n_pieces: int
    ticket: Ticket
    place: int
    queued: float = field(default_factory=perf_counter)


class Abandoned(Exception):  # noqa: N818 (it is not an error)
    """No client waits for the text that is being read."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that was read, for metrics.

    Attributes:
        n_items: Number of items.
        n_pieces: Number of pieces.
        waited_s: Waiting time of the first item, in seconds.
        took_s: Reading time, in seconds.
    """

    n_items: int
    n_pieces: int
    waited_s: float
    took_s: float


class Scheduler:
    """Reads jobs in its own threads.

    Args:
        batch_pieces: Maximum number of pieces in a batch of short texts.
        long_texts: Number of longer texts that are read at the same time.
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
        self._short: dict[Hashable, deque[Job]] = {}  # by lane, in the order of their turns
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
        with self._has_short:  # both conditions share one lock
            for job in jobs:
                if job.n_pieces > self._batch_pieces:
                    self._long.append(job)
                    self._has_long.notify()
                else:
                    self._short.setdefault(job.lane.key, deque()).append(job)
            self._has_short.notify()

    def close(self) -> None:
        """Read the queued jobs, then end the threads."""
        with self._has_short:
            self._closed = True
            self._has_short.notify_all()
            self._has_long.notify_all()
        for thread in self._threads:
            thread.join()

    def check_wanted(self) -> None:
        """Raise ``Abandoned`` in a reading thread if no client waits for it; engines call this before each batch."""
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
        """Jobs of the lane that is next, up to a batch."""
        if not self._short:
            return []
        key = next(iter(self._short))
        waiting = self._short.pop(key)
        jobs, n_pieces = [waiting.popleft()], 0
        while waiting and (n_pieces := n_pieces + jobs[-1].n_pieces) + waiting[0].n_pieces <= self._batch_pieces:
            jobs.append(waiting.popleft())
        if waiting:
            self._short[key] = waiting  # after the other lanes
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
        except Exception as error:  # our own bug must not end the thread that others wait for
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

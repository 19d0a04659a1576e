"""Processes requests for the wires: admission, the queue, a time limit, results in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from threading import Event, Lock
from typing import Any

from starlette.requests import Request

from lexel.errors import OptionError
from lexel.serving.admission import Admission
from lexel.serving.failures import ClientGone, TimedOut
from lexel.serving.metrics import Metrics
from lexel.serving.models import Models, ServedModel
from lexel.serving.options import ServerOptions
from lexel.serving.scheduler import Job, Lane, Scheduler

SOON_S = 0.1
"""Seconds before the server starts to watch whether a client leaves; watching costs time, and most answers are sooner.
"""

TURNS = 3
"""Turns of the event loop between results and the next batch: answers are sent, and new requests are read and queued.
"""

LONGEST_WAIT_S = 0.05
"""Seconds after which the next batch starts, even if the event loop has not sent the last answers."""


class Gathered:
    """The results of one request, gathered from the scheduler's threads; see ``scheduler.Ticket``."""

    def __init__(self, n_items: int, finished: Finished) -> None:
        self._finished = finished
        self._results: list[Any] = [None] * n_items
        self._left = n_items
        self.done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.is_abandoned = False
        if not n_items:
            self.done.set_result([])

    def receive(self, results: Sequence[tuple[int, Any]]) -> None:
        """Take results from a reading thread."""
        for place, result in results:
            self._results[place] = result
        self._left -= len(results)
        if not self._left:
            self._finished.add(self)

    def finish(self) -> None:
        """Pass the results to the waiting request, in the event loop."""
        if not self.done.done():
            self.done.set_result(self._results)

    def give_up(self, error: Exception) -> None:
        """Pass an error to the waiting request instead."""
        if not self.done.done():
            self.done.set_exception(error)


class Finished:
    """Passes finished requests to the event loop, which is woken once for all of a batch."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Gathered] = []
        self._lock = Lock()
        self._is_sent = Event()
        self._is_sent.set()

    def add(self, gathered: Gathered) -> None:
        """Finish a request in the event loop; called from reading threads."""
        with self._lock:
            self._waiting.append(gathered)
            is_first = len(self._waiting) == 1
            self._is_sent.clear()
        if is_first:
            self._loop.call_soon_threadsafe(self._finish)

    def wait(self) -> None:
        """Wait in a reading thread until all these requests are answered.

        Clients that send another request at once then get into the next batch, and the answers do not compete with
        reading for the processor.
        """
        self._is_sent.wait(LONGEST_WAIT_S)

    def _finish(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for gathered in waiting:
            gathered.finish()
        self._settle(TURNS)

    def _settle(self, n_turns: int) -> None:
        """Let the loop turn, then report that everything is sent: a turn runs all callbacks scheduled before it."""
        if n_turns:
            self._loop.call_soon(self._settle, n_turns - 1)
        else:
            self._is_sent.set()


class Service:
    """Reads items for the wires.

    Attributes:
        models: The models.
        options: The server's limits.
        admission: Admits requests.
        metrics: The counters.
        is_ready: Whether the models are warm.
    """

    def __init__(self, models: Models, scheduler: Scheduler, *, options: ServerOptions, metrics: Metrics) -> None:
        self.models = models
        self.options = options
        self.metrics = metrics
        self.is_ready = False
        self.admission: Admission = Admission(options)
        self._scheduler = scheduler
        self._finished: Finished | None = None

    def wait_for_answers(self) -> None:
        """Wait in a reading thread until the answers of the last batch are sent."""
        if self._finished is not None:
            self._finished.wait()

    async def lane(self, model: ServedModel, task: str, options: Mapping[str, Any] | None = None) -> Lane:
        """A model's lane for a task; loading a reader does not block the event loop."""
        if model.has_reader(task, options):
            return model.lane(task, options)
        return await asyncio.to_thread(model.lane, task, options)

    async def reader(self, model: ServedModel, task: str) -> Any:
        """A model's reader of a task, loaded if necessary."""
        return model.reader(task) if model.has_reader(task) else await asyncio.to_thread(model.reader, task)

    async def read(self, lane: Lane, items: Sequence[Any], *, request: Request | None) -> list[Any]:
        """Read items in one lane: a result, or an error, for each, in order.

        Args:
            lane: The lane that reads them.
            items: Texts, or tuples of texts.
            request: Their request: if its client leaves, the work is dropped. ``None`` if something else watches it.

        Raises:
            OptionError: If there are too many items.
            Overloaded: If there is no room.
            TimedOut: If it takes too long.
            ClientGone: If the client has left.
        """
        if len(items) > self.options.max_texts:
            raise OptionError(
                f"{len(items):,} texts; expected at most {self.options.max_texts:,} in a request. Send several"
            )
        counts = [n_chars(item) + 2 for item in items]
        size = {"n_pieces": sum(counts), "n_bytes": 4 * sum(counts)}
        self.admission.enter(**size)
        try:
            self._finished = self._finished or Finished()
            gathered = Gathered(len(items), self._finished)
            self._scheduler.submit(
                [Job(lane, item, n, gathered, place) for place, (item, n) in enumerate(zip(items, counts, strict=True))]
            )
            return await self._in_time(gathered, request)
        finally:
            self.admission.leave(**size)

    async def _in_time(self, gathered: Gathered, request: Request | None) -> list[Any]:
        """The results; the work is abandoned if the client has left."""
        watching: list[asyncio.Task[None]] = []
        soon = asyncio.get_running_loop().call_later(
            min(SOON_S, self.options.timeout_s),
            lambda: watching.append(asyncio.ensure_future(self._give_up_late(gathered, request))),
        )
        try:
            return await gathered.done
        except BaseException:
            gathered.is_abandoned = True
            raise
        finally:
            soon.cancel()
            for task in watching:
                task.cancel()

    async def _give_up_late(self, gathered: Gathered, request: Request | None) -> None:
        """Stop waiting when the client leaves, or the time is up."""
        try:
            async with asyncio.timeout(max(0, self.options.timeout_s - SOON_S)):
                await _disconnected(request)
        except TimeoutError:
            said = f"no answer within {self.options.timeout_s:g} s; send less at a time, or try again later"
            gathered.give_up(TimedOut(said))
        else:
            gathered.give_up(ClientGone("the client has left"))


async def _disconnected(request: Request | None) -> None:
    if request is None:
        await asyncio.Event().wait()
        return
    while (await request.receive())["type"] != "http.disconnect":
        pass


def n_chars(item: Any) -> int:
    """The characters of a text, or of all texts in a tuple."""
    return len(item) if isinstance(item, str) else sum(map(n_chars, item)) if isinstance(item, tuple | list) else 0

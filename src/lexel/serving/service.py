"""The way of a request behind its wire: admission, the queue, a time limit, results in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from lexel.errors import OptionError
from lexel.serving.admission import Admission
from lexel.serving.failures import TimedOut
from lexel.serving.metrics import Metrics
from lexel.serving.models import Models, ServedModel
from lexel.serving.options import ServerOptions
from lexel.serving.scheduler import Job, Lane, Scheduler


class ClientGone(Exception):  # noqa: N818 (it is not an error)
    """The client has left; nobody waits for the answer."""


class Gathered:
    """The results of one request, gathered from the scheduler's threads; see ``scheduler.Ticket``."""

    def __init__(self, n_items: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._results: list[Any] = [None] * n_items
        self._left = n_items
        self.done: asyncio.Future[list[Any]] = self._loop.create_future()
        self.is_abandoned = False
        if not n_items:
            self.done.set_result([])

    def receive(self, results: Sequence[tuple[int, Any]]) -> None:
        """Take results from a reading thread."""
        for place, result in results:
            self._results[place] = result
        self._left -= len(results)
        if not self._left:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self._results)


class Service:
    """Reads items for the wires.

    Attributes:
        models: What is served.
        options: The server's limits.
        admission: Who is let in.
        metrics: What is counted.
        is_ready: Whether the models are warm.
    """

    def __init__(self, models: Models, scheduler: Scheduler, *, options: ServerOptions, metrics: Metrics) -> None:
        self.models = models
        self.options = options
        self.metrics = metrics
        self.is_ready = False
        self.admission = Admission(options)
        self._scheduler = scheduler

    async def lane(self, model: ServedModel, task: str, options: Mapping[str, Any] | None = None) -> Lane:
        """A model's lane for a task; a reader that must be loaded first does not hold up the event loop."""
        await self.reader(model, task)
        return model.lane(task, options)

    async def reader(self, model: ServedModel, task: str) -> Any:
        """A model's reader of a task, loaded if it must be."""
        return model.reader(task) if model.has_reader(task) else await asyncio.to_thread(model.reader, task)

    async def read(self, lane: Lane, items: Sequence[Any], *, request: Request | None) -> list[Any]:
        """Read items by one lane: a result, or an error, for each, in order.

        Args:
            lane: How they are read.
            items: Texts, or tuples of texts.
            request: Whose it is: if its client leaves, the work is dropped. ``None`` where something else watches.

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
        with self.admission.admit(n_pieces=sum(counts), n_bytes=4 * sum(counts)):
            gathered = Gathered(len(items))
            self._scheduler.submit(
                [Job(lane, item, n, gathered, place) for place, (item, n) in enumerate(zip(items, counts, strict=True))]
            )
            async with _abandoning(gathered):
                return await self._in_time(gathered, request)

    async def _in_time(self, gathered: Gathered, request: Request | None) -> list[Any]:
        leaving = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait(
                (gathered.done, leaving), timeout=self.options.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            leaving.cancel()
        if gathered.done.done():
            return gathered.done.result()
        if leaving.done() and not leaving.cancelled():
            raise ClientGone
        raise TimedOut(f"no answer within {self.options.timeout_s:g} s; send less at a time, or try again later")


@asynccontextmanager
async def _abandoning(gathered: Gathered) -> AsyncIterator[None]:
    """Mark the work as abandoned unless it was finished."""
    try:
        yield
    finally:
        gathered.is_abandoned = not gathered.done.done()


async def _disconnected(request: Request | None) -> None:
    if request is None:
        await asyncio.Event().wait()
        return
    while (await request.receive())["type"] != "http.disconnect":
        pass


def n_chars(item: Any) -> int:
    """The characters of a text, or of all texts in a tuple."""
    return len(item) if isinstance(item, str) else sum(map(n_chars, item)) if isinstance(item, tuple | list) else 0

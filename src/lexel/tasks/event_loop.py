"""Reading from an event loop: inputs that wait at the same time are read together; streams are read in a thread.

Nothing here blocks the loop. Cancelling one caller never disturbs another: work that is no longer wanted is dropped
before its next batch. A batch that has begun is finished first, since the engine still reads its arrays.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from lexel.engines.base import Scores
from lexel.tasks.base import Flow
from lexel.tasks.streaming import Job, OnError, Places, Steps, in_places, read_lists
from lexel.tasks.work import Batch, Work

BATCH_CHARS = 4_096
"""Characters of single inputs that are read together."""

N_READING = 2
"""Lists that are read at the same time: while the engine computes one, Python works on the other."""

_IN_FLIGHT = 2
"""Batches of a list that are submitted to the engine before waiting for the first of them."""

_LISTS_AHEAD = 2
"""Lists of a stream that are read before their results are taken."""

Given = TypeVar("Given")
Result = TypeVar("Result")


async def read_soon(steps: Steps[Given, Any, Result], given: Given, *, lane: object) -> Result:
    """The result of one input; inputs of equal lanes that wait at the same time are read together.

    Args:
        steps: How the task reads.
        given: The input.
        lane: The reader and its options; only inputs with equal lanes are read together.
    """
    item = steps.check(0, given)
    loop = asyncio.get_running_loop()
    with _lock:
        together = _readers.setdefault(loop, _Together())
    result: Result = await together.read(
        _Waiting((lane, steps.kind(item)), steps, item, steps.size(item), loop.create_future())
    )
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """An input that waits, and the future of its result."""

    lane: object
    steps: Steps[Any, Any, Any]
    item: Any
    size: int
    answer: asyncio.Future[Any]


class _Together:
    """The inputs that wait in one event loop; used only by its thread."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, one: _Waiting) -> Any:
        """The result of an input."""
        self._waiting.append(one)
        if len(self._tasks) < N_READING:
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await one.answer

    async def _work(self) -> None:
        while inputs := self._take():
            try:
                results = await asyncio.to_thread(_read, inputs)
            except BaseException:  # the loop is closing, or has no threads any more
                for one in inputs:
                    one.answer.cancel()
                raise
            for one, result in zip(inputs, results, strict=True):
                if one.answer.done():
                    continue
                if isinstance(result, Exception):
                    one.answer.set_exception(result)
                else:
                    one.answer.set_result(result)

    def _take(self) -> list[_Waiting]:
        """The input that has waited longest, and those that can be read with it."""
        taken: list[_Waiting] = []
        others: deque[_Waiting] = deque()
        n_chars = 0
        while self._waiting and n_chars < BATCH_CHARS:
            one = self._waiting.popleft()
            if one.answer.cancelled():
                continue
            if taken and one.lane != taken[0].lane:
                others.append(one)
                continue
            taken.append(one)
            n_chars += one.size + 1
        self._waiting.extendleft(reversed(others))
        return taken


_lock = threading.Lock()
_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Together] = WeakKeyDictionary()


class _NotWanted(Exception):  # noqa: N818 (it is not an error)
    """No caller waits for the results any more."""


def _read(inputs: Sequence[_Waiting]) -> Sequence[Any]:
    """The result of each input, or its error; after a failure, inputs are read one by one."""

    def is_wanted() -> bool:
        return not all(one.answer.cancelled() for one in inputs)

    try:
        return _run(inputs[0].steps.job([one.item for one in inputs]), is_wanted)
    except Exception as error:  # noqa: BLE001 (its caller raises it)
        if len(inputs) == 1 or isinstance(error, _NotWanted):
            return [error] * len(inputs)
        return [_read([one])[0] for one in inputs]


def _run(job: Job[Result], is_wanted: Callable[[], bool]) -> Sequence[Result]:
    """The results of a job; checks between batches whether a caller still wants them."""
    try:
        while True:
            for flow, work in next(job):
                _compute(flow, work, is_wanted)
    except StopIteration as end:
        results: Sequence[Result] = end.value
        return results
    finally:
        job.close()


def _compute(flow: Flow, work: Work, is_wanted: Callable[[], bool]) -> None:
    running: deque[tuple[Batch, Future[Scores]]] = deque()
    try:
        for batch in flow.batches([work]) if not work.is_done else ():
            if not is_wanted():
                raise _NotWanted
            running.append((batch, flow.engine.submit(batch.rows, flow.outputs)))
            while len(running) > _IN_FLIGHT:
                _deliver(running)
        while running:
            _deliver(running)
    finally:
        for _, future in running:
            with suppress(CancelledError):
                future.exception()


def _deliver(running: deque[tuple[Batch, Future[Scores]]]) -> None:
    batch, future = running.popleft()
    batch.deliver(future.result())


async def stream_soon(
    steps: Steps[Given, Any, Result],
    given: Iterable[Given] | AsyncIterable[Given],
    *,
    on_error: OnError,
    live: bool | None,
) -> AsyncIterator[Result]:
    """One result for each input, in order, read in a thread; see ``streaming.stream_results``.

    Args:
        steps: How the task reads.
        given: The inputs. An asynchronous iterator is read in the loop.
        on_error: See ``stream_results``.
        live: See ``stream_results``.
    """
    source = _Bridge(given) if isinstance(given, AsyncIterable) else None
    pump = _Pump(steps, given if source is None else source, on_error=on_error, live=live)  # type: ignore[arg-type]
    try:
        while True:
            found = await pump.take()
            for result in found.results:
                yield result
            if found.error is not None:
                raise found.error
            if found.is_last:
                return
    finally:
        pump.stop()
        if source is not None:
            source.stop()


class _Found(NamedTuple):
    """Results of a stream, and how it ended."""

    results: Sequence[Any]
    error: BaseException | None = None
    is_last: bool = False


class _Pump(Generic[Given, Result]):
    """Reads a stream in a thread, at most ``_LISTS_AHEAD`` lists before its results are taken in the loop."""

    def __init__(
        self, steps: Steps[Given, Any, Result], given: Iterable[Given], *, on_error: OnError, live: bool | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._found = asyncio.Queue[_Found]()
        self._room = threading.Semaphore(_LISTS_AHEAD)
        self._is_stopped = False
        self._on_error: OnError = on_error
        self._lists = read_lists(steps, given, on_error=on_error, live=live)
        threading.Thread(target=self._work, name="lexel-stream", daemon=True).start()

    async def take(self) -> _Found:
        """The next results."""
        found = await self._found.get()
        self._room.release()
        return found

    def stop(self) -> None:
        """Read no more lists."""
        self._is_stopped = True
        self._room.release()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for places, results in self._room_for_each():
                self._put(self._placed(places, results))
        except BaseException as problem:  # noqa: BLE001 (it is raised again where the results are taken)
            error = problem
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._put(_Found((), error, is_last=True))

    def _room_for_each(self) -> Iterator[tuple[Places[Any], Sequence[Result]]]:
        try:
            self._room.acquire()
            for one in self._lists:
                yield one
                self._room.acquire()
                if self._is_stopped:
                    return
        finally:
            self._lists.close()

    def _placed(self, places: Places[Any], results: Sequence[Result]) -> _Found:
        """The results of a list in the places of its inputs, up to an error that ends the stream."""
        found: list[Result] = []
        try:
            found.extend(in_places(iter([(places, results)]), self._on_error))
        except Exception as error:  # noqa: BLE001 (it is raised after the results before it)
            return _Found(found, error)
        return _Found(found)

    def _put(self, found: _Found) -> None:
        self._loop.call_soon_threadsafe(self._found.put_nowait, found)


class _Bridge(Generic[Given]):
    """An asynchronous iterator as an ordinary one, for another thread."""

    _END = object()

    def __init__(self, given: AsyncIterable[Given]) -> None:
        self._loop = asyncio.get_running_loop()
        self._iterator = aiter(given)
        self._asked: Future[Any] | None = None
        self._is_stopped = False

    def __iter__(self) -> Iterator[Given]:
        return self

    def __next__(self) -> Given:
        self._asked = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        if self._is_stopped:
            self._asked.cancel()
        try:
            one = self._asked.result()
        except CancelledError:
            one = self._END
        if one is self._END:
            raise StopIteration
        found: Given = one
        return found

    async def _next(self) -> Any:
        return await anext(self._iterator, self._END)

    def stop(self) -> None:
        """End the iterator, even if a thread waits for it."""
        self._is_stopped = True
        if self._asked is not None:
            self._asked.cancel()

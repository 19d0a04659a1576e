"""Turns a stream of inputs into a stream of results, for every task.

    inputs -> checked one by one -> gathered into lists -> read -> one result for each input, in order

A task defines with ``Steps`` how it checks an input and reads a list. This module has the parts that all tasks share:
results are returned when they are ready, and an input that cannot be read costs one result. If a whole list fails, its
halves are read instead, down to the faulty input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from lexel.errors import EngineError, LexelError
from lexel.tasks.base import Block, Flow
from lexel.tasks.gathering import Input, LiveGatherer, gather
from lexel.tasks.work import Work

OnError = Literal["raise", "yield"]

Given = TypeVar("Given", contravariant=True)
Item = TypeVar("Item")
Result = TypeVar("Result", covariant=True)

Round = Iterable[tuple[Flow, Work]]
"""The works to compute before a job can continue, each with its flow.

Works of one flow are consecutive. They may be made while the works before them are computed.
"""

Job = Generator[Round, None, Sequence[Result]]
"""Reads inputs: yields the works to compute, is resumed when they are done, and returns the results."""


class Steps(Protocol[Given, Item, Result]):
    """How a task reads its inputs."""

    def check(self, number: int, given: Given, /) -> Item:
        """Check an input, and return what is read of it.

        Args:
            number: Its number from 0, for messages.
            given: The input.

        Raises:
            TypeError: If it has the wrong type.
            LexelError: If it cannot be read.
        """
        ...

    def size(self, item: Item, /) -> int:
        """Approximate number of characters."""
        ...

    def kind(self, item: Item, /) -> object:
        """Inputs of different kinds are not read together."""
        ...

    def read(self, lists: Iterable[Sequence[Item]]) -> Iterator[Sequence[Result]]:
        """The results of each list, in order; an empty list means that the source is about to wait."""
        ...

    def job(self, items: Sequence[Item]) -> Job[Result]:
        """Reads inputs step by step, so that a caller can compute them together with those of other callers."""
        ...


@dataclass(frozen=True)
class FlowSteps(Generic[Given, Item, Result]):
    """Steps of a task that reads each input once, with one flow or several in a row.

    Attributes:
        flows: The flows.
        check: See ``Steps.check``.
        size: See ``Steps.size``.
        block_of: The block of some inputs.
        results_of: The results of inputs and their block, once the flows have read it.
        how: How the flows read a block; see ``Flow.prepare``.
        kind: See ``Steps.kind``.
    """

    flows: Sequence[Flow]
    check: Callable[[int, Given], Item]
    size: Callable[[Item], int]
    block_of: Callable[[Sequence[Item]], Block]
    results_of: Callable[[Sequence[Item], Block], Sequence[Result]]
    how: Mapping[str, Any] = field(default_factory=dict)
    kind: Callable[[Item], object] = lambda item: None

    def read(self, lists: Iterable[Sequence[Item]]) -> Iterator[Sequence[Result]]:
        """See ``Steps.read``."""
        waiting: deque[Sequence[Item]] = deque()

        def blocks() -> Iterator[Block]:
            for items in lists:
                waiting.append(items)
                yield self.block_of(items) if items else Block(())

        read = blocks()
        for flow in self.flows:
            read = flow.read(read, **self.how)
        for block in read:
            items = waiting.popleft()
            yield self.results_of(items, block) if items else ()

    def job(self, items: Sequence[Item]) -> Job[Result]:
        """See ``Steps.job``."""
        block = self.block_of(items)
        prepared = [flow.prepare(block, **self.how) for flow in self.flows]
        yield list(zip(self.flows, prepared, strict=True))
        for flow, one in zip(self.flows, prepared, strict=True):
            flow.finish(one)
        return self.results_of(items, block)


@dataclass(frozen=True)
class JobSteps(Generic[Given, Item, Result]):
    """Steps of a task with dependent reading steps: each list is finished before the next one begins.

    Attributes:
        check: See ``Steps.check``.
        size: See ``Steps.size``.
        job: See ``Steps.job``.
    """

    check: Callable[[int, Given], Item]
    size: Callable[[Item], int]
    job: Callable[[Sequence[Item]], Job[Result]]

    def kind(self, item: Item) -> object:
        """See ``Steps.kind``."""
        return None

    def read(self, lists: Iterable[Sequence[Item]]) -> Iterator[Sequence[Result]]:
        """See ``Steps.read``."""
        for items in lists:
            yield run_job(self.job(items)) if items else ()


def run_job(job: Job[Result]) -> Sequence[Result]:
    """Compute the works of a job until it returns its results."""
    try:
        while True:
            asked = next(job)
            if isinstance(asked, list) and len(asked) == 1:
                flow, work = asked[0]
                flow.compute_alone(work)
                continue
            for flow, works in groupby(asked, key=lambda one: one[0]):
                for _ in flow.compute(work for _, work in works):
                    pass
    except StopIteration as end:
        results: Sequence[Result] = end.value
        return results


class _Failed(NamedTuple):
    """Stands for an input that cannot be read, or for the error that ended the source."""

    error: Exception
    is_last: bool


Places = Sequence[Item | _Failed]
"""The inputs in order, with errors in the places of faulty ones."""


def stream_results(
    steps: Steps[Given, Item, Result],
    given: Iterable[Given],
    *,
    on_error: OnError = "raise",
    live: bool | None = None,
) -> Iterator[Result]:
    """One result for each input, in order.

    Args:
        steps: How the task reads.
        given: The inputs, read lazily, about a list ahead.
        on_error: If an input cannot be read: ``raise`` its error after all results before it, or ``yield`` the error in
            the place of its result. An error of the iterable itself is always raised.
        live: Whether results are returned while the source waits, see ``LiveGatherer``. By default, they are unless
            ``given`` has a length.
    """
    if on_error not in ("raise", "yield"):
        raise ValueError(f"on_error is {on_error!r}; expected 'raise' or 'yield'")
    read = read_lists(steps, given, on_error=on_error, live=live)
    return in_places(read, on_error)


def in_places(read: Iterator[tuple[Places[Any], Sequence[Result]]], on_error: OnError) -> Iterator[Result]:
    """The results of lists, in the order of their inputs; an error is yielded or raised in its place."""
    for places, results in read:
        found = iter(results)
        for place in places:
            if not isinstance(place, _Failed):
                yield next(found)
            elif on_error == "raise" or place.is_last:
                raise place.error
            else:
                yield place.error  # type: ignore[misc]  # what "yield" asks for


def stream_lists(
    steps: Steps[Given, Item, Result], given: Iterable[Given], *, live: bool | None = None
) -> Iterator[Sequence[Result]]:
    """The results as in ``stream_results``, in batches as they are computed."""
    for places, results in read_lists(steps, given, on_error="raise", live=live):
        if len(results):
            yield results
        for place in places[-1:]:
            if isinstance(place, _Failed):
                raise place.error


def read_one(steps: Steps[Given, Item, Result], given: Given) -> Result:
    """The result of one input, computed in the caller's thread."""
    return run_job(steps.job([steps.check(0, given)]))[0]


def read_lists(
    steps: Steps[Given, Item, Result], given: Iterable[Given], *, on_error: OnError, live: bool | None = None
) -> Generator[tuple[Places[Item], Sequence[Result]], None, None]:
    """Lists of inputs with their results, in order; see ``stream_results``."""
    if live is None:
        live = not isinstance(given, Collection)
    inputs = _checked(steps, given, stops=on_error == "raise")
    gathered = LiveGatherer(inputs) if live else closing(gather(inputs))
    with gathered as lists:
        reading = _Recovering(steps, stops=on_error == "raise").read(lists)
        try:
            yield from reading
        finally:
            if isinstance(gathered, LiveGatherer):
                gathered.stop()  # a thread of the engine may be waiting for its next list
            reading.close()


def _checked(
    steps: Steps[Given, Item, Any], given: Iterable[Given], *, stops: bool
) -> Generator[Input[Item | _Failed], None, None]:
    """The inputs, each checked; an error of the source, and a bad input that stops the stream, come last."""
    iterator = iter(given)
    number = 0
    try:
        while True:
            try:
                one = next(iterator)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 (it is raised again in its place)
                yield Input(_Failed(error, is_last=True), 0)
                return
            try:
                item = steps.check(number, one)
            except (TypeError, LexelError) as error:
                yield Input(_Failed(error, is_last=stops), 0)
                if stops:
                    return
            else:
                yield Input(item, steps.size(item), steps.kind(item))
            number += 1
    finally:
        if isinstance(iterator, Generator):  # but not a file, which its owner may continue to read
            iterator.close()


class _Recovering(Generic[Item, Result]):
    """Reads lists; when one fails, finds the faulty input."""

    def __init__(self, steps: Steps[Any, Item, Result], *, stops: bool) -> None:
        self._steps = steps
        self._stops = stops

    def read(self, lists: Iterable[Places[Item]]) -> Generator[tuple[Places[Item], Sequence[Result]], None, None]:
        """Each list with its results; reading continues after a list that failed."""
        waiting: deque[Places[Item]] = deque()

        def good() -> Iterator[Sequence[Item]]:
            for places in lists:
                waiting.append(places)
                yield _good(places)

        while True:
            try:
                for results in self._steps.read(good()):
                    yield waiting.popleft(), results
                return
            except LexelError as error:
                if not any(map(_good, waiting)) or (self._stops and isinstance(error, EngineError)):
                    raise
            while waiting:
                yield from self._apart(waiting.popleft())

    def _apart(self, places: Places[Item]) -> Iterator[tuple[Places[Item], Sequence[Result]]]:
        items = _good(places)
        try:
            results = next(iter(self._steps.read([items]))) if items else ()
        except LexelError as error:
            if len(places) == 1:
                yield [_Failed(error, is_last=self._stops)], ()
            else:
                middle = len(places) // 2
                yield from self._apart(places[:middle])
                yield from self._apart(places[middle:])
        else:
            yield places, results


def _good(places: Places[Item]) -> list[Item]:
    return [place for place in places if not isinstance(place, _Failed)]

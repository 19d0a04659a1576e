"""Results of a stream come out when they are ready, in order, and a bad input costs one result."""

from __future__ import annotations

import contextvars
import gc
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Queue
from typing import Any

import pytest

from lexel.errors import DataError, EngineError
from lexel.tasks.gathering import BLOCK_CHARS, PATIENCE_S
from lexel.tasks.streaming import Job, stream_results

THREAD = "lexel-source"
LONG_S = 30.0
"""More than any of this takes."""


class Upper:
    """Steps that give each text in upper case, one list behind, as an engine does, and note the lists.

    A text with a ``!`` in it is refused when it is checked, one with a ``?`` when its list is read.
    """

    def __init__(self, *, behind: int = 1) -> None:
        self.lists: list[int] = []
        self.behind = behind

    def check(self, number: int, given: str) -> str:
        if not isinstance(given, str):
            raise TypeError(f"text {number}: expected str, found {type(given).__name__}")
        if "!" in given:
            raise DataError(f"text {number}: has a !")
        return given

    def size(self, item: str) -> int:
        return len(item)

    def kind(self, item: str) -> object:
        return item[0].isdigit() if item else None

    def read(self, lists: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
        waiting: list[Sequence[str]] = []
        for items in lists:
            self.lists.append(len(items))
            for item in items:
                if "?" in item:
                    raise DataError(f"{item}: has a ?")
                if item == "lost":
                    raise EngineError("the device is lost")
            waiting.append([item.upper() for item in items])
            while len(waiting) > self.behind or (waiting and not items):
                yield waiting.pop(0)
        yield from waiting

    def job(self, items: Sequence[str]) -> Job[str]:
        raise NotImplementedError


class Live:
    """A source that gives what it is fed, and waits for more."""

    def __init__(self) -> None:
        self.fed: Queue[object] = Queue()
        self.n_taken = 0
        self.closed_in: str | None = None

    def feed(self, *texts: object) -> None:
        for text in texts:
            self.fed.put(text)

    def __iter__(self) -> Iterator[Any]:
        try:
            while (text := self.fed.get()) is not None:
                if isinstance(text, Exception):
                    raise text
                self.n_taken += 1
                yield text
        finally:
            self.closed_in = threading.current_thread().name


def is_running() -> bool:
    return any(thread.name == THREAD for thread in threading.enumerate())


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def shown(results: Iterable[object]) -> list[str]:
    """Results, and the errors among them by their messages."""
    return [result if isinstance(result, str) else f"{type(result).__name__}: {result}" for result in results]


# While the source waits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5])
def test_results_come_out_while_the_source_waits(n: int) -> None:
    source = Live()
    results = stream_results(Upper(), source.__iter__())
    for _ in range(3):
        source.feed(*"abcdefgh"[:n])
        assert [next(results) for _ in range(n)] == list("ABCDEFGH"[:n])
    source.feed(None)
    assert list(results) == []
    assert not is_running()


def test_a_burst_behind_a_full_list_comes_out_too() -> None:
    source, long = Live(), "x" * (BLOCK_CHARS - 2)
    results = stream_results(Upper(), iter(source))
    source.feed(long, "a", "b", "c")
    assert [next(results) for _ in range(4)] == [long.upper(), "A", "B", "C"]
    source.feed(None)


def test_fast_sources_fill_their_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.tasks.gathering.PATIENCE_S", LONG_S)
    texts, steps = ["x" * 99] * 1000, Upper()
    assert list(stream_results(steps, iter(texts))) == [text.upper() for text in texts]
    per_list = -(-BLOCK_CHARS // 100)
    assert steps.lists == [per_list] * (1000 // per_list) + [1000 % per_list]


def test_a_collection_is_read_in_the_callers_thread() -> None:
    class Noted(list[str]):
        def __iter__(self) -> Iterator[str]:
            threads.append(threading.current_thread().name)
            return super().__iter__()

    threads: list[str] = []
    assert list(stream_results(Upper(), Noted("ab"))) == ["A", "B"]
    assert threads == [threading.current_thread().name]


def test_an_iterator_is_read_in_the_callers_thread_where_asked() -> None:
    source, steps = Live(), Upper()
    source.feed("a", "b", None)
    assert list(stream_results(steps, iter(source), live=False)) == ["A", "B"]
    assert source.closed_in == threading.current_thread().name
    assert steps.lists == [2]


def test_nothing_is_read_before_the_first_result_is_asked_for() -> None:
    source = Live()
    source.feed("a")
    stream_results(Upper(), iter(source))
    time.sleep(0.01)
    assert (source.n_taken, is_running()) == (0, False)


def test_a_source_is_read_no_more_than_a_list_ahead() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "x" * 99

    results = stream_results(Upper(), endless())
    next(results)
    time.sleep(5 * PATIENCE_S)
    per_list = -(-BLOCK_CHARS // 100)
    assert taken <= 3 * per_list  # one given out, one being computed, one ready
    results.close()  # type: ignore[attr-defined]
    assert not is_running()


def test_the_source_sees_the_callers_context() -> None:
    wanted: contextvars.ContextVar[str] = contextvars.ContextVar("wanted")
    wanted.set("here")
    assert list(stream_results(Upper(), (wanted.get() for _ in range(2)))) == ["HERE", "HERE"]


# Leaving -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
def test_leaving_closes_the_source(live: bool) -> None:
    closed = threading.Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "text" * 100
        finally:
            closed.set()

    results = stream_results(Upper(), endless(), live=live)
    next(results)
    del results
    gc.collect()
    assert closed.is_set()
    assert not is_running()


def test_leaving_does_not_wait_for_a_source_that_waits() -> None:
    source = Live()
    results = stream_results(Upper(), iter(source))
    source.feed("a")
    assert next(results) == "A"
    begin = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begin < 2
    assert source.closed_in is None
    source.feed("b")
    until(lambda: not is_running())
    assert source.closed_in == THREAD


def test_a_source_that_is_no_generator_is_left_open(tmp_path: Any) -> None:
    path = tmp_path / "texts"
    path.write_text("a\nb\n")
    with path.open() as file:
        assert list(stream_results(Upper(), file)) == ["A\n", "B\n"]
        assert not file.closed


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("bad", ["c!", "c?", 3])
def test_by_default_an_error_is_raised_behind_all_results_before_it(bad: object, live: bool) -> None:
    results = stream_results(Upper(), ["a", "b", bad, "d"], live=live)
    assert [next(results), next(results)] == ["A", "B"]
    with pytest.raises((DataError, TypeError), match=r"has a [!?]|text 2: expected str, found int"):
        next(results)
    assert list(results) == []
    assert not is_running()


@pytest.mark.parametrize("live", [True, False])
def test_errors_stand_in_their_places_where_asked(live: bool) -> None:
    given: list[Any] = ["a", "b!", "c?", None, "d", "e?", "f"]
    assert shown(stream_results(Upper(), given, on_error="yield", live=live)) == [
        *("A", "DataError: text 1: has a !", "DataError: c?: has a ?"),
        *("TypeError: text 3: expected str, found NoneType", "D", "DataError: e?: has a ?", "F"),
    ]


def test_reading_goes_on_behind_a_list_that_failed() -> None:
    texts = [f"{'x' * 500}{n}" for n in range(100)]
    given = [text + "?" * (n in (3, 50, 51)) for n, text in enumerate(texts)]
    found = list(stream_results(Upper(), given, on_error="yield"))
    assert [n for n, result in enumerate(found) if isinstance(result, DataError)] == [3, 50, 51]
    assert [result for result in found if isinstance(result, str)] == [
        text.upper() for n, text in enumerate(texts) if n not in (3, 50, 51)
    ]


def test_a_live_source_gets_its_errors_at_once() -> None:
    source = Live()
    results = stream_results(Upper(), iter(source), on_error="yield")
    for text, result in (("a?", "DataError: a?: has a ?"), ("b", "B"), ("c!", "DataError: text 2: has a !")):
        source.feed(text)
        assert shown([next(results)]) == [result]
    source.feed(None)
    assert list(results) == []


@pytest.mark.parametrize("on_error", ["raise", "yield"])
@pytest.mark.parametrize("live", [True, False])
def test_an_error_of_the_source_is_always_raised_in_its_place(on_error: Any, live: bool) -> None:
    source = Live()
    source.feed("a", "b", DataError("the file is broken"))
    results = stream_results(Upper(), iter(source), on_error=on_error, live=live)
    assert [next(results), next(results)] == ["A", "B"]
    with pytest.raises(DataError, match="the file is broken"):
        next(results)


def test_an_engine_that_fails_is_not_tried_again_by_default() -> None:
    steps = Upper()
    with pytest.raises(EngineError, match="the device is lost"):
        list(stream_results(steps, ["a", "lost", "b"]))
    assert steps.lists == [3]


def test_an_input_on_which_the_engine_fails_costs_one_result_where_asked() -> None:
    found = shown(stream_results(Upper(), ["a", "lost", "b"], on_error="yield"))
    assert found == ["A", "EngineError: the device is lost", "B"]


def test_a_fault_of_the_reader_is_not_taken_for_a_bad_input() -> None:
    class Faulty(Upper):
        def read(self, lists: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
            for items in lists:
                yield [item + 1 for item in items]  # type: ignore[operator]

    with pytest.raises(TypeError, match="can only concatenate str"):
        list(stream_results(Faulty(), ["a", "b"], on_error="yield"))


def test_inputs_of_different_kinds_are_not_read_together() -> None:
    steps = Upper()
    assert list(stream_results(steps, ["a", "", "b", "1", "2!", "3"], on_error="yield"))[3] == "1"
    assert steps.lists == [3, 2]


def test_an_unknown_way_with_errors_is_refused() -> None:
    with pytest.raises(ValueError, match="on_error is 'skip'; expected 'raise' or 'yield'"):
        stream_results(Upper(), [], on_error="skip")  # type: ignore[arg-type]

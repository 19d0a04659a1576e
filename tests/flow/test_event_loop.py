"""Reading from an event loop: the same documents, read together, and nobody harmed by a caller who leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from lexel.engines.base import Rows, Scores
from lexel.errors import DataError, EngineError
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, build_tagger

TEXTS = ["天下的我", "", "我的天下。", "天" * 300, "我"]


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    return Tagger.load(
        build_tagger(tmp_path_factory.mktemp("model"), heads={"entities": ENTITIES}, pieces="chars"), engine="numpy"
    )


class Watched:
    """An engine that notes how many sequences each batch has, and can hold a batch up or fail."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.sizes: list[int] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def submit(self, rows: Rows, outputs: Any) -> Future[Scores]:
        self.sizes.append(int(rows.sequence_ids.max(axis=1).sum()))
        self.begun.set()
        assert self.go_on.wait(10)
        if self.fails:
            raise EngineError("the device is gone")
        found: Future[Scores] = self._engine.submit(rows, outputs)
        return found


@pytest.fixture
def watched(nlp: Tagger, monkeypatch: pytest.MonkeyPatch) -> Watched:
    engine = Watched(nlp.flows[0].engine)
    monkeypatch.setattr(nlp.flows[0], "engine", engine)
    return engine


def test_a_text_is_read_as_by_a_call(nlp: Tagger) -> None:
    assert [asyncio.run(nlp.atag(text)) for text in TEXTS] == [nlp(text) for text in TEXTS]


def test_calls_that_wait_together_are_read_together(nlp: Tagger, watched: Watched) -> None:
    async def read() -> list[Any]:
        return await asyncio.gather(*(nlp.atag("天下的我") for _ in range(20)))

    assert asyncio.run(read()) == [nlp("天下的我")] * 20
    assert watched.sizes[0] == 20


def test_calls_with_other_options_keep_them(nlp: Tagger) -> None:
    async def read() -> list[Any]:
        calls = [nlp.atag("天下的我"), nlp.atag("天下的我", max_chars=2), nlp.atag("天下的我", decode="argmax")]
        return await asyncio.gather(*calls, return_exceptions=True)

    first, refused, last = asyncio.run(read())
    assert first == nlp("天下的我")
    assert isinstance(refused, DataError)
    assert last == nlp("天下的我", decode="argmax")


def test_a_call_may_be_cancelled_without_harm_to_others(nlp: Tagger, watched: Watched) -> None:
    watched.go_on.clear()

    async def read() -> Any:
        leaving = [asyncio.create_task(nlp.atag("天下的我")) for _ in range(5)]
        staying = asyncio.create_task(nlp.atag("我的天下"))
        await asyncio.to_thread(watched.begun.wait, 10)
        for task in leaving:
            task.cancel()
        watched.go_on.set()
        assert all(
            isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*leaving, return_exceptions=True)
        )
        return await staying

    assert asyncio.run(read()) == nlp("我的天下")


def test_a_cancelled_long_text_stops_at_its_next_batch(nlp: Tagger, watched: Watched) -> None:
    watched.go_on.clear()

    async def read() -> None:
        task = asyncio.create_task(nlp.atag("天下的我" * 20_000))
        await asyncio.to_thread(watched.begun.wait, 10)
        task.cancel()
        watched.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await nlp.atag("我")

    asyncio.run(read())
    assert len(watched.sizes) <= 3


def test_the_error_of_an_engine_reaches_every_caller(nlp: Tagger, watched: Watched) -> None:
    watched.fails = True

    async def read() -> list[Any]:
        return await asyncio.gather(*(nlp.atag("天下") for _ in range(3)), return_exceptions=True)

    assert [str(error) for error in asyncio.run(read())] == ["the device is gone"] * 3


async def listed(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


async def slowly(texts: list[str]) -> AsyncIterator[str]:
    for text in texts:
        await asyncio.sleep(0)
        yield text


@pytest.mark.parametrize("texts", [TEXTS, iter(TEXTS), "async"], ids=["a list", "an iterator", "an async iterator"])
def test_a_stream_gives_every_document_in_order(nlp: Tagger, texts: Any) -> None:
    async def read() -> list[Any]:
        return await listed(nlp.astream(slowly(TEXTS) if texts == "async" else texts))

    assert asyncio.run(read()) == [nlp(text) for text in TEXTS]


def test_a_document_comes_out_while_the_source_waits(nlp: Tagger) -> None:
    async def read() -> str:
        waits = asyncio.Event()

        async def source() -> AsyncIterator[str]:
            yield "天下"
            await waits.wait()
            yield "我"

        stream = nlp.astream(source())
        async for doc in stream:
            return doc.text
        return ""

    assert asyncio.run(asyncio.wait_for(read(), 10)) == "天下"


def test_a_stream_takes_its_texts_lazily(nlp: Tagger) -> None:
    taken = 0

    def source() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "天下的我" * 100

    async def read() -> None:
        async for _ in nlp.astream(source()):
            return

    asyncio.run(read())
    assert taken < 1000


def test_an_error_comes_behind_the_documents_before_it(nlp: Tagger) -> None:
    async def read() -> list[str]:
        stream = nlp.astream(["天下", 3, "我"])  # type: ignore[list-item]
        first = await anext(stream)
        with pytest.raises(TypeError, match="text 1"):
            await anext(stream)
        return [first.text]

    assert asyncio.run(read()) == ["天下"]


def test_an_error_may_take_the_place_of_a_document(nlp: Tagger) -> None:
    found = asyncio.run(listed(nlp.astream(["天下", 3, "我"], on_error="yield")))  # type: ignore[list-item]
    assert [type(one).__name__ for one in found] == ["Document", "TypeError", "Document"]


def test_an_error_of_an_async_source_passes_through(nlp: Tagger) -> None:
    async def failing() -> AsyncIterator[str]:
        yield "天下"
        raise OSError("the socket is closed")

    async def read() -> None:
        await listed(nlp.astream(failing()))

    with pytest.raises(OSError, match="the socket is closed"):
        asyncio.run(read())


def test_leaving_a_stream_ends_its_threads(nlp: Tagger) -> None:
    async def read() -> None:
        waits = asyncio.Event()

        async def source() -> AsyncIterator[str]:
            yield "天下"
            await waits.wait()

        async for _ in nlp.astream(source()):
            break

    asyncio.run(read())
    threads = [one for one in threading.enumerate() if one.name in ("lexel-stream", "lexel-source")]
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)

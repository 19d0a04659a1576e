"""Load for servers: HTTP/1.1 over plain streams, since a client library would cost more than what is measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit


@dataclass(slots=True)
class Load:
    """What came of a load.

    Attributes:
        seconds: How long it took.
        waits: Seconds from each request to its answer.
        refusals: The same of those that were refused with 429.
        n_lost: Requests without an answer, or with another error.
    """

    seconds: float = 0
    waits: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    n_lost: int = 0

    @property
    def n_answered(self) -> int:
        """Requests that were answered."""
        return len(self.waits)

    @property
    def n_refused(self) -> int:
        """Requests that were refused."""
        return len(self.refusals)

    @property
    def n_sent(self) -> int:
        """All of them."""
        return self.n_answered + self.n_refused + self.n_lost

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.n_answered / self.seconds

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the waits, in milliseconds."""
        return _p99_ms(self.waits)

    @property
    def refused_p99_ms(self) -> float:
        """The same of refusals; 0 if there were none."""
        return _p99_ms(self.refusals) if self.refusals else 0.0


def _p99_ms(waits: Sequence[float]) -> float:
    return 1000 * sorted(waits)[min(len(waits) - 1, int(0.99 * len(waits)))]


class Connection:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host

    @classmethod
    async def open(cls, url: str) -> Connection:
        """Connect to a server."""
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 26)
        return cls(reader, writer, place.netloc)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        return await self._answer()

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of a POST of JSON."""
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        self._writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return await self._answer()

    def close(self) -> None:
        """Leave."""
        self._writer.close()

    async def _answer(self) -> tuple[int, bytes]:
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length"))
        return int(lines[0].split()[1]), await self._reader.readexactly(length)


async def load_of(
    url: str,
    texts: Sequence[str],
    *,
    connections: int,
    n_requests: int,
    long: str | None = None,
    path: str = "/v1/tag",
    field: str = "text",
) -> Load:
    """Ask for texts over some connections, each asking again when it is answered.

    Args:
        url: The server.
        texts: Read in turn.
        connections: How many.
        n_requests: Requests in all.
        long: A long text that is asked for again and again beside them.
        path: The route.
        field: What the body calls its text.
    """
    load, left = Load(), iter(range(n_requests))
    bodies = cycle([json.dumps({field: text}).encode() for text in texts])

    async def ask() -> None:
        connection = await Connection.open(url)
        for _ in left:
            begin = time.perf_counter()
            status, _ = await connection.post(path, next(bodies))
            if status == 200:
                load.waits.append(time.perf_counter() - begin)
            else:
                load.n_lost += 1
        connection.close()

    async def ask_long() -> None:
        connection = await Connection.open(url)
        body = json.dumps({field: long}).encode()
        while True:
            await connection.post("/v1/segment", body)

    beside = None if long is None else asyncio.ensure_future(ask_long())
    if beside is not None:
        await asyncio.sleep(0.3)
    begin = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(connections)))
    load.seconds = time.perf_counter() - begin
    if beside is not None:
        beside.cancel()
    return load


async def ask_alone(url: str, texts: Sequence[str]) -> float:
    """The median seconds of a request when nobody else asks."""
    load = await load_of(url, texts, connections=1, n_requests=len(texts))
    return sorted(load.waits)[len(load.waits) // 2]


async def overload(url: str, text: str, *, seconds: float, connections: int = 200) -> Load:
    """Ask for a text over many connections for some seconds, whatever the server says."""
    load, body = Load(), json.dumps({"text": text}).encode()
    ends = time.monotonic() + seconds

    async def ask() -> None:
        connection = await Connection.open(url)
        while time.monotonic() < ends:
            begin = time.perf_counter()
            try:
                status, _ = await connection.post("/v1/segment", body)
            except (OSError, asyncio.IncompleteReadError):
                load.n_lost += 1
                connection = await Connection.open(url)
                continue
            waited = time.perf_counter() - begin
            if status == 200:
                load.waits.append(waited)
            elif status == 429:
                load.refusals.append(waited)
                await asyncio.sleep(0.05)
            else:
                load.n_lost += 1
        connection.close()

    begin = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(connections)))
    load.seconds = time.perf_counter() - begin
    return load

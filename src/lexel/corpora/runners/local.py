"""Processes of this machine, each with its own engine and its share of the threads; each makes one shard at a time.

The driver hands out shards in order. If a worker dies, another one makes its shard again. If the driver dies, its
workers end by themselves.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from lexel.corpora.runners.base import Attempts, Event, Made, answer_of
from lexel.corpora.worker import Job, Worker


@dataclass
class _Hand:
    """A worker process, and the shard that it is making."""

    process: BaseProcess
    pipe: Connection
    shard: int | None = None
    is_open: bool = field(default=True)


def run_local(
    job: Job, shards: Sequence[int], *, workers: int, threads: int | None = None, collects: int | None = None
) -> Iterator[Event]:
    """Make shards with processes.

    Args:
        job: The job.
        shards: The numbers of the shards.
        workers: Number of processes.
        threads: Threads per process; by default its share of the cores.
        collects: See ``Worker``.

    Raises:
        LexelError: If a shard fails; the next run makes the others.
    """
    waiting, attempts = deque(shards), Attempts(job)
    share = threads or max(1, _cores() // workers)
    hands: list[_Hand] = []
    try:
        while waiting or any(hand.shard is not None for hand in hands):
            _hire(hands, min(workers, len(waiting) + len(hands)), job, share, collects)
            for hand in hands:
                if hand.shard is None and waiting:
                    _give(hand, waiting.popleft())
            yield from _news(hands, waiting, attempts)
    finally:
        for hand in hands:
            _dismiss(hand)


def _hire(hands: list[_Hand], number: int, job: Job, threads: int, collects: int | None) -> None:
    context = get_context("spawn")  # a fork would inherit the driver's lock and threads
    while len(hands) < number:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, job, threads, collects), daemon=True)
        with _threads_in_environment(threads):
            process.start()
        theirs.close()
        hands.append(_Hand(process, ours))


def _give(hand: _Hand, shard: int) -> None:
    hand.shard = shard
    with suppress(OSError):  # it has died, which `_wait` notices
        hand.pipe.send(shard)


def _news(hands: list[_Hand], waiting: deque[int], attempts: Attempts) -> Iterator[Event]:
    """Wait for the next event, and return it."""
    ready = set(wait([*(hand.pipe for hand in hands), *(hand.process.sentinel for hand in hands)]))
    for hand in list(hands):
        if hand.pipe in ready:
            try:
                answer = hand.pipe.recv()
            except (EOFError, OSError):
                pass  # it has died
            else:
                hand.shard = None
                if isinstance(answer, Exception):
                    raise answer
                yield Made(answer)
                continue
        if hand.process.sentinel in ready or not hand.process.is_alive():
            hand.process.join()
            hands.remove(hand)
            hand.pipe.close()
            if hand.shard is not None:
                waiting.appendleft(hand.shard)
                yield attempts.lost(hand.shard, _ending(hand.process.exitcode))


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        with suppress(ValueError):
            return signal.Signals(-status).name
    return f"exit status {status}"


def _dismiss(hand: _Hand) -> None:
    hand.pipe.close()
    if hand.shard is not None:
        hand.process.kill()
    hand.process.join(timeout=5)
    if hand.process.is_alive():
        hand.process.kill()
        hand.process.join()


class _threads_in_environment:  # noqa: N801
    """Sets the number of threads for the numerical libraries of a new process."""

    _NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

    def __init__(self, threads: int) -> None:
        self._set = [name for name in self._NAMES if name not in os.environ]
        self._threads = threads

    def __enter__(self) -> None:
        os.environ.update(dict.fromkeys(self._set, str(self._threads)))

    def __exit__(self, *_: object) -> None:
        for name in self._set:
            os.environ.pop(name, None)


def _cores() -> int:
    from lexel.engines.choose import available_threads

    return available_threads()


# In the worker's process ----------------------------------------------------------------------------------------------


def _serve(pipe: Connection, job: Job, threads: int, collects: int | None) -> None:
    """Make the shards that the driver names, until it closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C, and ends its workers
    threading.Thread(target=_end_with_driver, daemon=True).start()
    worker = Worker(job, threads=threads, collects=collects)
    while True:
        try:
            shard = pipe.recv()
        except (EOFError, OSError):
            break
        answer = answer_of(worker, shard)
        try:
            pipe.send(answer)
        except OSError:
            break
    sys.stdout.flush()


def _end_with_driver() -> None:
    """End at once when the driver has ended, for whatever reason."""
    driver = parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)

"""Makes shards on a Ray cluster: actors use the same ``Worker`` as local processes, and read and write by themselves.

All machines must see the folder of the job and its inputs under the same path. An actor gets one shard at a time and
returns its record; texts are not sent through Ray. If an actor dies, another one makes its shard again. If the driver
dies, its actors end too, and the next run resumes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from lexel.corpora.runners.base import Attempts, Event, Made, answer_of
from lexel.corpora.worker import Job, Worker
from lexel.errors import EngineError, MissingExtra

LOCAL = "local"
"""The address that starts a cluster on this machine."""


def run_ray(
    job: Job, shards: Sequence[int], *, address: str, workers: int | None = None, collects: int | None = None
) -> Iterator[Event]:
    """Make shards with the actors of a Ray cluster.

    Args:
        job: The job.
        shards: The numbers of the shards.
        address: The cluster's address: ``auto``, ``ray://HOST:PORT`` or ``HOST:PORT``; ``local`` starts one here.
        workers: Number of actors; by default one for each processor of the cluster.
        collects: See ``Worker``.

    Raises:
        MissingExtra: If Ray is not installed.
        EngineError: If the cluster cannot be reached.
        LexelError: If a shard fails; the next run makes the others.
    """
    ray = _connected(address, workers)
    number = min(workers or max(1, int(ray.cluster_resources().get("CPU", 1))), max(1, len(shards)))
    actor_class = ray.remote(num_cpus=1)(_Actor)
    sent = ray.put(job)
    waiting, attempts = deque(shards), Attempts(job)
    actors: list[Any] = []
    busy: dict[Any, tuple[Any, int]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < number:
                idle = [actor for actor in actors if actor not in (one for one, _ in busy.values())]
                actor = idle[0] if idle else actor_class.remote(sent, collects)
                if not idle:
                    actors.append(actor)
                shard = waiting.popleft()
                busy[actor.make.remote(shard)] = actor, shard
            for done in ray.wait(list(busy))[0]:
                actor, shard = busy.pop(done)
                try:
                    answer = ray.get(done)
                except ray.exceptions.RayActorError as error:
                    actors.remove(actor)
                    waiting.appendleft(shard)
                    yield attempts.lost(shard, _first_line(error))
                    continue
                except ray.exceptions.RayError as error:
                    raise EngineError(f"ray: {_first_line(error)}; expected an actor that works") from error
                if isinstance(answer, Exception):
                    raise answer
                yield Made(answer)
    finally:
        for actor in actors:
            ray.kill(actor)


def _connected(address: str, workers: int | None) -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra('running on a cluster needs Ray: pip install "lexel[ray]"') from error
    if not ray.is_initialized():
        quiet = {"log_to_driver": False, "logging_level": "error", "configure_logging": False}
        try:
            if address == LOCAL:
                ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise EngineError(
                f"ray: no cluster at {address!r} ({_first_line(error)}); expected one. Start it with: ray start --head"
            ) from error
    return ray


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class _Actor:
    """Makes shards on a machine of the cluster."""

    def __init__(self, job: Job, collects: int | None) -> None:
        self._worker = Worker(job, threads=1, collects=collects)

    def make(self, shard: int) -> dict[str, Any] | Exception:
        """A shard's record, or its error."""
        return answer_of(self._worker, shard)

"""Events of runners: shards that are complete, and workers that were lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lexel.corpora.worker import Job, Worker
from lexel.errors import EngineError, LexelError

MOST_ATTEMPTS = 3
"""If the workers of a shard die this often, the shard itself is at fault."""


@dataclass(frozen=True, slots=True)
class Made:
    """A shard that is complete.

    Attributes:
        record: Its record.
    """

    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that died; its shard is made again.

    Attributes:
        shard: Its shard.
        why: The reason for its end.
    """

    shard: int
    why: str


Event = Made | Lost


class Attempts:
    """Counts how often the worker of each shard died."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._deaths: dict[int, int] = {}

    def lost(self, shard: int, why: str) -> Lost:
        """Count a death.

        Raises:
            EngineError: If too many workers of this shard have died.
        """
        self._deaths[shard] = self._deaths.get(shard, 0) + 1
        if self._deaths[shard] >= MOST_ATTEMPTS:
            plan = self._job.plan.shard(shard)
            where = f"{plan.slice.count:,} records from place {plan.slice.first + 1:,} on"
            raise EngineError(
                f"{plan.input.path}, {where}: {MOST_ATTEMPTS} workers died on it ({why}); expected them to survive. If "
                "memory ran out, use fewer --workers or start again with a smaller --shard-records"
            )
        return Lost(shard, why)


def answer_of(worker: Worker, shard: int) -> dict[str, Any] | Exception:
    """A shard's record, or its error as one that another process can unpickle."""
    try:
        return worker.make(shard)
    except LexelError as error:
        return error
    except Exception as error:  # noqa: BLE001  # the driver reports it
        if isinstance(error, OSError) and error.errno is not None:
            return OSError(error.errno, error.strerror, error.filename)
        return RuntimeError(f"shard {shard}: {type(error).__name__}: {error}")

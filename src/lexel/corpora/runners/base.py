"""What every runner gives: the records of shards as they become whole, and workers that were lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lexel.corpora.worker import Job
from lexel.errors import EngineError

MOST_ATTEMPTS = 3
"""A shard whose worker dies as often is at fault itself."""


@dataclass(frozen=True, slots=True)
class Made:
    """A shard that is whole.

    Attributes:
        record: Its record.
    """

    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that died; its shard is made again.

    Attributes:
        shard: The shard that it worked on.
        why: How it ended.
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
        """Note a death.

        Raises:
            EngineError: If it was one too many.
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

"""Progress of a job: for its own run, in ``status.json`` for others, and as a page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from lexel.corpora.plan import Plan, load_plan
from lexel.corpora.runners.base import Event, Lost
from lexel.corpora.store import STATUS, Store, open_store
from lexel.corpora.tally import Tally
from lexel.corpora.worker import Job, whole_records_of
from lexel.errors import DataError
from lexel.pages import fill_template

_SAVE_EVERY_S = 1.0
_SILENT_S = 600.0
"""In a store without locks, a run that has written no status for this long counts as killed."""


class Progress:
    """Progress of a run.

    Attributes:
        tally: Sums over the complete shards of this run and earlier ones.
        n_made: Shards that this run made.
        n_lost: Workers that died in this run.
        doing: The current activity.
    """

    def __init__(self, job: Job) -> None:
        self._store, self._plan = job.store, job.plan
        self.tally: Tally = Tally()
        self.n_made: int = 0
        self.n_lost: int = 0
        self.doing: str = "shards"
        self._last_loss: str | None = None
        self._pass_done = self._pass_total = 0
        self._began = monotonic()
        self._records = 0  # that this run made, since `_began`
        self._saved = 0.0
        self._started = _now()

    @property
    def records_total(self) -> int:
        """Number of records in all inputs."""
        return self._plan.records

    @property
    def shards_done(self) -> int:
        """Number of shards that the current activity has finished."""
        return self._pass_done if self._pass_total else self.tally.shards

    @property
    def shards_total(self) -> int:
        """Number of shards."""
        return len(self._plan)

    @property
    def is_making(self) -> bool:
        """Whether shards are being made, and not only read for a step of the whole corpus."""
        return not self._pass_total

    @property
    def rate(self) -> float:
        """Records per second."""
        return self._records / max(1e-9, monotonic() - self._began)

    @property
    def seconds_left(self) -> float | None:
        """Estimated remaining seconds; ``None`` before the first shard."""
        left = self.shards_total - self.shards_done
        return None if not self._records else left / max(1, self.shards_total) * self.records_total / self.rate

    def found(self, record: dict[str, Any]) -> None:
        """Count a shard that an earlier run made."""
        self.tally.add(record)

    def take(self, event: Event, *, is_pass: bool = False) -> None:
        """Count an event of a runner."""
        if isinstance(event, Lost):
            self.n_lost += 1
            self._last_loss = event.why
            return
        self._records += event.record["records_in"]
        if is_pass:
            self._pass_done += 1
        else:
            self.n_made += 1
            self.tally.add(event.record)

    def begin_pass(self, step: str, done: int) -> None:
        """A step of the whole corpus begins to read the shards."""
        self.doing, self._pass_total, self._pass_done = f"looking ({step})", self.shards_total, done

    def end_pass(self) -> None:
        """It has decided; the clock starts again, since making the output has another speed."""
        self.doing, self._pass_total, self._began, self._records = "shards", 0, monotonic(), 0

    def save(self, *, state: str = "running", error: str | None = None) -> None:
        """Write ``status.json``, at most once a second while the job runs."""
        if state == "running" and monotonic() - self._saved < _SAVE_EVERY_S:
            return
        self._saved = monotonic()
        with suppress(DataError):  # if the disk is full, writing the next shard reports it
            self._store.write_json(STATUS, self._as_json(state, error), indent=2)

    def end(self, error: BaseException | None = None) -> None:
        """Write the final state."""
        if error is None:
            self.save(state="done")
        elif isinstance(error, Exception):
            self.save(state="failed", error=str(error))
        else:
            self.save(state="stopped")

    def _as_json(self, state: str, error: str | None) -> dict[str, Any]:
        left = self.seconds_left
        return {
            "state": state,
            "error": error,
            "process": os.getpid(),
            "started": self._started,
            "updated": _now(),
            "doing": self.doing,
            "shards_done": self.shards_done,
            "shards_total": self.shards_total,
            "records_total": self.records_total,
            "records_per_s": round(self.rate, 1),
            "seconds_left": None if left is None else round(left, 1),
            "workers_lost": self.n_lost,
            "last_loss": self._last_loss,
            **self.tally.as_json(),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_status(folder: str) -> dict[str, Any]:
    """The progress of the job in a folder, counted from its shards, with the rate of its last run.

    ``state`` is ``running``, ``done``, ``failed``, ``stopped`` (by a signal), or ``killed`` if a run ended without
    writing its state.

    Raises:
        DataError: If there is no job.
    """
    store, plan = open_store(folder), planned(folder)
    said: dict[str, Any] = store.read_json(STATUS) or {}
    tally = Tally()
    for record in whole_records(store, plan):
        tally.add(record)
    state = said.get("state", "killed")
    if state == "running" and not _is_alive(store, said):
        state = "killed"
    if tally.shards == len(plan):
        state = "done"
    now = {"state": state, "shards_total": len(plan), "records_total": plan.records, **tally.as_json()}
    running = {} if state == "running" else {"records_per_s": None, "seconds_left": None}
    return {**said, **now, **running, "shards_done": said.get("shards_done", 0) if state == "running" else tally.shards}


def _is_alive(store: Store, said: dict[str, Any]) -> bool:
    is_held = store.is_held
    if is_held is not None:
        return is_held
    return (datetime.now(UTC) - datetime.fromisoformat(said["updated"])).total_seconds() < _SILENT_S


def planned(folder: str) -> Plan:
    """The plan of a folder.

    Raises:
        DataError: If there is none.
    """
    plan = load_plan(open_store(folder))
    if plan is None:
        raise DataError(f"{folder}: no plan.json; expected the folder of a job. Start one with: lexel corpus run")
    return plan


def whole_records(store: Store, plan: Plan) -> Iterator[dict[str, Any]]:
    """The records of the complete shards, in order."""
    return (record for _, record in whole_records_of(store, plan) if record is not None)


def status_page(status: dict[str, Any], *, title: str) -> Iterator[str]:
    """The page that shows a status, in pieces."""
    n_in = status["records_in"]
    steps = [{**step, "dropped": step["in"] - step["out"] - step["faulty"]} for step in status["steps"]]
    topics = [(topic, list(names.items()), max(names.values(), default=1)) for topic, names in status["counts"].items()]
    share = n_in / status["records_total"] if status["records_total"] else 1.0
    return fill_template(
        "lexel.corpora", "status.html", title=title, status=status, steps=steps, topics=topics, share=share
    )

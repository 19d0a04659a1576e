"""Verifies a job: checks the checksums of all inputs and shards, and accounts for every input record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lexel.corpora.plan import Plan, ShardPlan
from lexel.corpora.status import planned
from lexel.corpora.store import AUDIT, DATA, FAULTS, SHARDS, Store, open_store, shard_of
from lexel.corpora.tally import Tally
from lexel.corpora.worker import record_name
from lexel.data.places import checksum_of
from lexel.errors import DataError

MOST_PROBLEMS = 20
"""Maximum number of problems that are listed."""


@dataclass
class Verdict:
    """The result of a verification.

    Attributes:
        tally: The sums over the complete shards.
        shards: Number of shards in the plan.
        records: Number of records in the inputs; blank lines count.
        missing: Number of shards that are not made yet.
        problems: The problems, one line each.
        n_problems: Number of problems.
    """

    tally: Tally
    shards: int
    records: int
    missing: int = 0
    problems: list[str] = field(default_factory=list)
    n_problems: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the job is complete and correct."""
        return not self.missing and not self.n_problems

    def add(self, problem: str) -> None:
        """Add a problem."""
        self.n_problems += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)


def verify_corpus(folder: str, *, inputs: bool = True, watch: Callable[[int, int], None] | None = None) -> Verdict:
    """Check the output of a job against its plan.

    Args:
        folder: The folder of the job.
        inputs: Whether to also compare the inputs with their checksums.
        watch: Is called with the number of checked shards and of all shards.

    Raises:
        DataError: If there is no job in the folder.
    """
    plan, store = planned(folder), open_store(folder)
    verdict = Verdict(Tally(), len(plan), plan.records)
    if inputs:
        _check_inputs(plan, verdict)
    known = {record_name(shard) for shard in plan}
    unfinished: set[str] = set()
    for shard in plan:
        n_before = verdict.n_problems
        record = _record_of(store, plan, shard, verdict)
        if record is not None:
            known.update(file["name"] for file in record["files"])
            _check_shard(store, shard, record, verdict)
            if verdict.n_problems == n_before:
                verdict.tally.add(record)
        elif verdict.n_problems == n_before:
            verdict.missing += 1
            unfinished.add(shard.name)
        if watch is not None:
            watch(shard.number + 1, len(plan))
    _check_names(store, known, unfinished, verdict)
    if not verdict.missing and not verdict.n_problems and verdict.tally.records_in != plan.records:
        verdict.add(f"{folder}: shards read {verdict.tally.records_in:,} records, the inputs have {plan.records:,}")
    return verdict


def _check_names(store: Store, known: set[str], unfinished: set[str], verdict: Verdict) -> None:
    """Report files that no shard names, except those of unfinished shards."""
    for name in (name for part in (DATA, SHARDS, AUDIT, FAULTS) for name in store.sizes(part)):
        shard = shard_of(name)
        is_attempt = shard is not None and store.is_attempt(name, shard)
        if name in known or (is_attempt and shard in unfinished):
            continue
        advice = "Run the same command again, which removes it" if is_attempt else "Move it elsewhere"
        verdict.add(f"{store.where(name)}: is not a file of the job; expected shards only. {advice}")


def _check_inputs(plan: Plan, verdict: Verdict) -> None:
    for one in plan.inputs:
        try:
            if checksum_of(one.path) != one.sha256:
                verdict.add(f"{one.path}: has changed since the plan was made; expected checksum {one.sha256[:12]}...")
        except DataError as error:
            verdict.add(str(error))


def _record_of(store: Store, plan: Plan, shard: ShardPlan, verdict: Verdict) -> dict[str, Any] | None:
    """The record of a shard; ``None`` if there is no usable one."""
    try:
        record: dict[str, Any] | None = store.read_json(record_name(shard))
    except DataError as error:
        verdict.add(str(error))
        return None
    if record is not None and record.get("plan") != plan.key:
        verdict.add(f"{store.where(record_name(shard))}: belongs to another plan; remove it and run the job again")
        return None
    return record


def _check_shard(store: Store, shard: ShardPlan, record: dict[str, Any], verdict: Verdict) -> None:
    for file in record["files"]:
        _check_file(store, file, verdict)
    _check_sums(store.where(record_name(shard)), shard, record, verdict)


def _check_file(store: Store, file: dict[str, Any], verdict: Verdict) -> None:
    path = store.where(file["name"])
    try:
        data = store.read(file["name"])
    except FileNotFoundError:
        verdict.add(f"{path}: is missing; expected {file['rows']:,} records. Run the same command again")
        return
    except DataError as error:
        verdict.add(str(error))
        return
    if hashlib.sha256(data).hexdigest() != file["sha256"]:
        found = f"has {len(data):,} bytes" if len(data) != file["bytes"] else "has changed"
        verdict.add(
            f"{path}: {found}; expected what was written ({file['bytes']:,} bytes). Remove it and run the job again"
        )
    elif data.count(b"\n") != file["rows"]:
        verdict.add(
            f"{path}: has {data.count(10):,} records; expected {file['rows']:,}. Remove it and run the job again"
        )


def _check_sums(where: object, shard: ShardPlan, record: dict[str, Any], verdict: Verdict) -> None:
    """Check the counts: every record is blank, faulty, or passed from step to step."""
    if record["records_in"] != shard.slice.count:
        verdict.add(f"{where}: {record['records_in']:,} records read; expected {shard.slice.count:,}")
    at_readers = record["faulty"] - sum(step["faulty"] for step in record["steps"])
    on_the_way = record["records_in"] - record["blank"] - at_readers
    for step in record["steps"]:
        if step["in"] != on_the_way:
            verdict.add(f"{where}: {step['in']:,} records reached {step['step']}; expected {on_the_way:,}")
        on_the_way = step["out"]
    if record["records_out"] != on_the_way:
        verdict.add(f"{where}: {record['records_out']:,} records written; expected {on_the_way:,}")

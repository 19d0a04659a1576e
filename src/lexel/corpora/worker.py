"""Makes a shard, in every runner: read, apply steps, write, sync, rename, and finally write the shard's record."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from random import Random
from time import perf_counter, process_time
from typing import Any

from lexel.corpora.plan import Plan, ShardPlan
from lexel.corpora.steps import CorpusStep, Machine, Shard, Step
from lexel.corpora.steps.base import Fault
from lexel.corpora.store import AUDIT, DATA, FAULTS, PASSES, SHARDS, Store, json_bytes, open_store
from lexel.data.faults import Faults
from lexel.data.records import Record, SliceReader, columns_of_record, open_records
from lexel.data.records.json import json_row
from lexel.errors import DataError

Run = Callable[[list[Record], Shard], list[Record]]
_READ_AT_ONCE = 256


@dataclass(frozen=True)
class Job:
    """A plan with its steps and its folder; it is sent to workers.

    Attributes:
        plan: The plan.
        steps: The steps.
        folder: The folder of the results.
    """

    plan: Plan
    steps: tuple[Step, ...]
    folder: str

    @property
    def store(self) -> Store:
        """The store of the results."""
        return open_store(self.folder)

    @property
    def passes(self) -> tuple[int, ...]:
        """The steps of the whole corpus, by their place."""
        return tuple(at for at, step in enumerate(self.steps) if isinstance(step, CorpusStep))

    def machine(self, threads: int | None) -> Machine:
        """Computing options of a worker's steps."""
        options = self.plan.options
        return Machine(threads, options.engine, options.precision, options.device)


def record_name(shard: ShardPlan) -> str:
    """The file that marks a shard as complete."""
    return f"{SHARDS}/{shard.name}.json"


def collected_name(at: int, shard: ShardPlan) -> str:
    """The file with data that a step of the whole corpus collected from a shard."""
    return f"{PASSES}/{at}/{shard.name}.collected"


def decided_name(at: int, shard: ShardPlan) -> str:
    """The file with its decision for the shard."""
    return f"{PASSES}/{at}/{shard.name}.decided"


class Worker:
    """Makes shards of a job, one after the other; models are loaded with the first shard."""

    def __init__(self, job: Job, *, threads: int | None = None, collects: int | None = None) -> None:
        """Prepare a worker.

        Args:
            job: The job.
            threads: Threads for models; ``None`` is all cores.
            collects: Collect data for this step of the whole corpus; ``None`` makes the output.
        """
        self._job, self._store, self._collects = job, job.store, collects
        self._machine = job.machine(threads)
        self._reader = SliceReader()
        self._steps: list[Run] | None = None

    def make(self, number: int) -> dict[str, Any]:
        """Make a shard, and return its record, which has been written by then.

        Raises:
            LexelError: If it cannot be made.
        """
        shard = self._job.plan.shard(number)
        began = perf_counter(), process_time()
        records, faults, n_blank = read_shard(shard, self._job, self._reader)
        work = Work(records, self._job.plan.options.on_error == "stop", faults)
        if self._collects is not None:
            return self._collect(shard, work, self._collects)
        for at, run in enumerate(self._started(len(self._job.steps))):
            work.do(run, self._job, at, shard)
        return self._write(shard, work, n_blank=n_blank, began=began)

    def close(self) -> None:
        """Close the input."""
        self._reader.close()

    def _started(self, n_steps: int) -> list[Run]:
        if self._steps is None:
            self._steps = [start_step(self._job, at, self._machine) for at in range(n_steps)]
        return self._steps

    def _collect(self, shard: ShardPlan, work: Work, at: int) -> dict[str, Any]:
        for before, run in enumerate(self._started(at)):
            work.do(run, self._job, before, shard)
        step = self._job.steps[at]
        assert isinstance(step, CorpusStep)
        data = step.start_collecting(self._machine)(work.records, work.shard(self._job, at, shard))
        self._store.write(collected_name(at, shard), data)
        return {"shard": shard.number, "records_in": shard.slice.count}

    def _write(self, shard: ShardPlan, work: Work, *, n_blank: int, began: tuple[float, float]) -> dict[str, Any]:
        """Write the output of a shard, and finally the record that marks it as complete.

        Args:
            shard: The shard.
            work: Its records after the steps.
            n_blank: Number of blank lines.
            began: Start of the shard in seconds, by the clock and by processor time.
        """
        store, files = self._store, []
        lines = [line_of(record, shard) for record in work.records]
        for folder, rows in ((DATA, lines), (AUDIT, work.audit), (FAULTS, self._faults(shard, work))):
            if rows or folder == DATA:
                name, data = store.attempt(folder, shard.name), b"".join(rows)
                store.write(name, data)
                files.append(described_file(name, data, len(rows)))
        record = {
            "shard": shard.number,
            "plan": self._job.plan.key,
            "files": files,
            "records_in": shard.slice.count,
            "records_out": len(lines),
            "blank": n_blank,
            "faulty": len(work.faults),
            "first_fault": work.faults[0].reason if work.faults else None,
            "steps": work.passed,
            "counts": {topic: dict(sorted(names.items())) for topic, names in sorted(work.counts.items())},
            "seconds": round(perf_counter() - began[0], 3),
            "processor_seconds": round(process_time() - began[1], 3),
        }
        return self._commit(shard, record)

    def _commit(self, shard: ShardPlan, record: dict[str, Any]) -> dict[str, Any]:
        """Publish a shard's record; if another worker was faster, its record counts, and these files are removed."""
        store, plan = self._store, self._job.plan
        if store.create(record_name(shard), json_bytes(record)):
            return record
        standing = whole_record_of(store, plan, shard)
        if standing is None:  # it belongs to another plan, or its files are missing
            store.write_json(record_name(shard), record)
            return record
        for file in record["files"]:
            store.remove(file["name"])
        return standing

    def _faults(self, shard: ShardPlan, work: Work) -> list[bytes]:
        if self._job.plan.options.on_error != "file":
            return []
        return [json_bytes(aside(fault, shard)) for fault in work.faults]


class Work:
    """The records of a shard between steps, and the reports about them."""

    def __init__(self, records: list[Record], stops_at_faults: bool, faults: list[Fault]) -> None:
        self.records = records
        self.passed: list[dict[str, Any]] = []
        self.counts: dict[str, Counter[str]] = {}
        self.audit: list[bytes] = []
        self.faults = faults
        self._stops = stops_at_faults

    def shard(self, job: Job, at: int, shard: ShardPlan) -> Shard:
        """The ``Shard`` for the step at a place."""
        random = Random(f"{job.plan.options.seed} {at} {shard.number}")
        return Shard(shard.number, random, self.counts, faults=self.faults, stops_at_faults=self._stops)

    def do(self, run: Run, job: Job, at: int, shard: ShardPlan) -> None:
        """Send the records through a step.

        Raises:
            LexelError: If the step fails; the message names it.
        """
        step, told = job.steps[at], self.shard(job, at, shard)
        before, n_faults = len(self.records), len(self.faults)
        try:
            self.records = run(self.records, told)
        except DataError as error:
            raise DataError(f"{shard.input.path}: {error}") from error
        self.audit += map(json_bytes, told.audit)
        n_faults = len(self.faults) - n_faults
        self.passed.append({"step": step.name, "in": before, "out": len(self.records), "faulty": n_faults})


def start_step(job: Job, at: int, machine: Machine) -> Run:
    """The function of the step at a place; a step of the whole corpus applies its earlier decision."""
    step = job.steps[at]
    if not isinstance(step, CorpusStep):
        return step.start(machine)
    run = step.start_settled(machine)
    store, plan = job.store, job.plan

    def settled(records: list[Record], shard: Shard) -> list[Record]:
        return run(records, shard, store.read(decided_name(at, plan.shard(shard.number))))

    return settled


def read_shard(
    shard: ShardPlan, job: Job, reader: SliceReader, *, most: int | None = None
) -> tuple[list[Record], list[Fault], int]:
    """The records of a shard, the unreadable ones, and the number of blank lines.

    Args:
        shard: The shard.
        job: The job.
        reader: Keeps the input open between shards.
        most: Read no more records than this.

    Raises:
        DataError: If the input differs from the plan, or the job stops at a record that cannot be read.
    """
    options, bad = job.plan.options, list[Fault]()

    def note(fault: Mapping[str, Any]) -> None:
        bad.append(Fault(fault["number"], fault["reason"]))

    faults = Faults() if options.on_error == "stop" else Faults("file", aside=note)
    found = open_records(
        shard.input.path,
        format=shard.input.format,
        columns=options.columns,
        encoding=options.encoding,
        faults=faults,
        part=shard.slice,
        slices=reader,
    )
    with closing(found):  # type: ignore[type-var]
        records = list(islice(found, most))
    number = len(records) + len(bad) + faults.n_blank
    if most is None and number != shard.slice.count:
        raise DataError(
            f"{shard.input.path}: {number:,} records from place {shard.slice.first + 1:,} on, the plan has "
            f"{shard.slice.count:,}; expected the file that was planned. Put it back, or use another folder"
        )
    return records, bad, faults.n_blank


def aside(fault: Fault, shard: ShardPlan) -> dict[str, Any]:
    """The entry for a record that cannot be read: as ``lexel tag`` writes it, but without the record.

    So a redacting job leaves no originals in its folder.
    """
    return {"file": shard.input.path, "number": fault.place, "reason": fault.reason}


def line_of(record: Record, shard: ShardPlan) -> bytes:
    """A record as a line of JSON.

    Raises:
        DataError: If it holds values that JSON cannot.
    """
    try:
        return json_row(columns_of_record(record)).encode()
    except (TypeError, ValueError) as error:
        where = f"{shard.input.path}:{record.place}"
        raise DataError(f"{where}: cannot be written ({error}); expected fields that JSON holds") from error


def described_file(name: str, data: bytes, rows: int) -> dict[str, Any]:
    """The entry of a file in a shard's record."""
    return {"name": name, "rows": rows, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def whole_record_of(store: Store, plan: Plan, shard: ShardPlan) -> dict[str, Any] | None:
    """The record of a shard, if it belongs to the plan and its files have the right sizes."""
    try:
        return _if_whole(store.read(record_name(shard)), plan, store.size)
    except FileNotFoundError:
        return None


def whole_records_of(store: Store, plan: Plan) -> Iterator[tuple[ShardPlan, dict[str, Any] | None]]:
    """Every shard with its record, or ``None`` if it is not complete; lists the store's files only once."""
    sizes = {name: size for folder in (DATA, AUDIT, FAULTS) for name, size in store.sizes(folder).items()}
    there = store.sizes(SHARDS)
    for begin in range(0, len(plan), _READ_AT_ONCE):
        shards = [plan.shard(number) for number in range(begin, min(len(plan), begin + _READ_AT_ONCE))]
        names = [name for name in map(record_name, shards) if name in there]
        read = dict(zip(names, store.read_many(names), strict=True))
        for shard in shards:
            data = read.get(record_name(shard))
            yield shard, None if data is None else _if_whole(data, plan, sizes.get)


def _if_whole(data: bytes, plan: Plan, size_of: Callable[[str], int | None]) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(data)
    except ValueError:  # damaged from outside: make it again
        return None
    if record.get("plan") != plan.key:
        return None
    return record if all(size_of(file["name"]) == file["bytes"] for file in record["files"]) else None

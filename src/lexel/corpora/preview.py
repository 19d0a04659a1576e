"""A dry run: the first records of a job before and after its steps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from lexel.corpora.plan import JobOptions, ShardPlan, build_plan
from lexel.corpora.steps import CorpusStep, Step
from lexel.corpora.worker import Job, Work, read_shard
from lexel.data.records import Record, SliceReader

RECORDS = 100


@dataclass(frozen=True, slots=True)
class Preview:
    """A record before and after the steps.

    Attributes:
        before: The record of the input.
        after: The resulting records: several with steps that add copies, none if it is dropped.
        dropped_by: The step that drops it.
    """

    before: Record
    after: tuple[Record, ...]
    dropped_by: str | None


def preview_steps(
    inputs: Sequence[str], steps: Sequence[Step], *, options: JobOptions, records: int = RECORDS
) -> list[Preview]:
    """Send the first records through the steps; nothing is written.

    Args:
        inputs: The files.
        steps: The steps. Steps of the whole corpus see only these records.
        options: How the inputs are read.
        records: Number of records.
    """
    job = Job(build_plan(inputs, steps, options=options), tuple(steps), "")
    with closing(SliceReader()) as reader:
        return _previews(job, reader, records)


def _previews(job: Job, reader: SliceReader, records: int) -> list[Preview]:
    options, steps, machine, found = job.plan.options, job.steps, job.machine(None), list[Preview]()
    started = [None if isinstance(step, CorpusStep) else step.start(machine) for step in steps]
    for shard in islice(job.plan, (records + options.shard_records - 1) // options.shard_records + 1):
        if len(found) >= records:
            break
        before, _, _ = read_shard(shard, job, reader, most=records - len(found))
        work = Work(list(before), options.on_error == "stop", [])
        dropped: dict[int, str] = {}
        for at, (step, run) in enumerate(zip(steps, started, strict=True)):
            there = {record.place for record in work.records}
            if run is None:
                assert isinstance(step, CorpusStep)
                work.records = _settled(step, job, work, at=at, shard=shard)
            else:
                work.do(run, job, at, shard)
            dropped |= dict.fromkeys(there - {record.place for record in work.records}, step.name)
        after: dict[int, list[Record]] = {}
        for record in work.records:
            after.setdefault(record.place, []).append(record)
        found += (Preview(one, tuple(after.get(one.place, ())), dropped.get(one.place)) for one in before)
    return found


def _settled(step: CorpusStep, job: Job, work: Work, *, at: int, shard: ShardPlan) -> list[Record]:
    machine, told = job.machine(None), work.shard(job, at, shard)
    collected = step.start_collecting(machine)(work.records, told)
    (decided,) = step.settle([lambda: collected])
    return step.start_settled(machine)(work.records, told, decided)

"""Runs a job: plans or resumes it, has the missing shards made, and reports progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lexel.corpora.plan import BEGIN_ELSEWHERE, JobOptions, build_plan, check_same, load_plan
from lexel.corpora.runners.base import Event
from lexel.corpora.runners.local import run_local
from lexel.corpora.status import Progress, whole_records
from lexel.corpora.steps import CorpusStep, Step
from lexel.corpora.store import AUDIT, DATA, FAULTS, MANIFEST, PASSES, PLAN, Store, json_bytes, open_store, shard_of
from lexel.corpora.worker import Job, collected_name, decided_name, whole_records_of
from lexel.errors import DataError

Watch = Callable[[Progress], None]
"""Is called with the progress of a job, at every event."""
Runner = Callable[[Sequence[int], int | None], Iterator[Event]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run.

    Attributes:
        shards: Number of shards in the job.
        made: Number of shards that this run made.
        records_in: Records that the shards read; blank lines count.
        records_out: Records that they wrote.
        lost: Workers that died during the run.
    """

    shards: int
    made: int
    records_in: int
    records_out: int
    lost: int


def run_corpus(
    inputs: Sequence[str],
    out: str,
    *,
    steps: Sequence[Step],
    options: JobOptions | None = None,
    workers: int | None = None,
    ray: str | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Send files through steps into a folder; repeat the same call to resume after any kind of stop.

    Args:
        inputs: Files of text, JSON, CSV, TSV or Parquet, also compressed; paths, or URLs of an object store.
        out: The folder of the job, or a URL.
        steps: The steps, in order.
        options: How the inputs are read and cut.
        workers: Number of processes (on a Ray cluster, actors); by default one for each core.
        ray: Address of a Ray cluster; ``local`` starts one here.
        watch: Is called with the progress of the job.

    Raises:
        DataError: If an input cannot be read, or the folder has another plan.
    """
    store = open_store(out)
    with store.locked():
        job = prepare_job(inputs, store, steps=steps, options=options or JobOptions())
        store.remove_parts()
        return run_job(job, _runner(job, workers, ray), watch)


def prepare_job(
    inputs: Sequence[str],
    store: Store,
    *,
    steps: Sequence[Step],
    options: JobOptions,
    advice: str = BEGIN_ELSEWHERE,
) -> Job:
    """The job of a folder: a new plan, or the existing one.

    Args:
        inputs: The files.
        store: The folder.
        steps: The steps.
        options: How the inputs are read and cut.
        advice: What to do if the folder has another job.

    Raises:
        DataError: If the folder has another job.
    """
    known = load_plan(store)
    plan = build_plan(inputs, steps, options=options, known=known)
    if known is None and not store.create(PLAN, json_bytes(plan.as_json(), indent=1)):
        known = load_plan(store)  # another run that began at the same time wrote it
    if known is not None:
        check_same(known, plan, where=store.where(PLAN), advice=advice)
    return Job(plan, tuple(steps), store.place)


def _runner(job: Job, workers: int | None, ray: str | None) -> Runner:
    if ray is not None:
        from lexel.corpora.runners.ray import run_ray

        return lambda shards, collects: run_ray(job, shards, address=ray, workers=workers, collects=collects)
    from lexel.engines.choose import available_threads

    number = workers or available_threads()
    return lambda shards, collects: run_local(job, shards, workers=number, collects=collects)


def run_job(job: Job, runner: Runner, watch: Watch | None) -> Outcome:
    """Make the missing shards with a runner.

    Args:
        job: The job, whose folder is locked.
        runner: Makes shards, given their numbers and the step of the whole corpus for which it collects.
        watch: Is called with the progress of the job.

    Raises:
        LexelError: If a shard fails; complete shards are kept.
    """
    progress = Progress(job)
    watch = watch or (lambda _: None)
    try:
        for at in job.passes:
            _settle(job, at, runner, progress, watch)
        missing = []
        for shard, record in whole_records_of(job.store, job.plan):
            if record is None:
                missing.append(shard.number)
            else:
                progress.found(record)
        watch(progress)
        for event in runner(missing, None):
            progress.take(event)
            progress.save()
            watch(progress)
    except BaseException as error:
        progress.end(error)
        raise
    progress.end()
    _write_manifest(job)
    tally = progress.tally
    return Outcome(len(job.plan), progress.n_made, tally.records_in, tally.records_out, progress.n_lost)


def _settle(job: Job, at: int, runner: Runner, progress: Progress, watch: Watch) -> None:
    """Collect data from every shard for a step of the whole corpus, and let the step decide."""
    step, store, shards = job.steps[at], job.store, list(job.plan)
    assert isinstance(step, CorpusStep)
    settled = f"{PASSES}/{at}/settled.json"
    mark = {"plan": job.plan.key}
    if store.read_json(settled) == mark:
        _forget_collected(job, at)
        return
    missing = [shard.number for shard in shards if store.size(collected_name(at, shard)) is None]
    progress.begin_pass(step.name, len(shards) - len(missing))
    watch(progress)
    for event in runner(missing, at):
        progress.take(event, is_pass=True)
        watch(progress)
    collected = [partial(store.read, collected_name(at, shard)) for shard in shards]
    try:
        settled_parts = step.settle(collected)
    except FileNotFoundError as error:
        if store.read_json(settled) == mark:  # another run has decided in the meantime
            progress.end_pass()
            return
        raise DataError(
            f"{error.filename or error}: is missing; expected the collected data. Run the same command again"
        ) from error
    for shard, decided in zip(shards, settled_parts, strict=True):
        store.write(decided_name(at, shard), decided)
    store.write_json(settled, mark)
    _forget_collected(job, at)
    progress.end_pass()


def _forget_collected(job: Job, at: int) -> None:
    store = job.store
    for name in store.sizes(f"{PASSES}/{at}"):
        if name.endswith(".collected"):
            store.remove(name)


def _write_manifest(job: Job) -> None:
    """Write the list of all valid files, one shard per line, and remove the files of other attempts."""
    store, lines, counted = job.store, list[bytes](), set[str]()
    for record in whole_records(store, job.plan):
        lines.append(json_bytes({"shard": record["shard"], "files": record["files"]}))
        counted.update(file["name"] for file in record["files"])
    store.write(MANIFEST, b"".join(lines))
    shards = {shard.name for shard in job.plan}
    for name in (name for folder in (DATA, AUDIT, FAULTS) for name in store.sizes(folder)):
        shard = shard_of(name)
        if name not in counted and shard in shards and store.is_attempt(name, shard):
            store.remove(name)

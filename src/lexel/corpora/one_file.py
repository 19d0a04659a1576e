"""Reads one file in parts, for ``lexel tag --workers`` and ``--resume``.

The file becomes a job with one input and one step, in the folder ``OUT.parts`` next to the output, with the same plan,
shards, store and runner as ``lexel corpus run``. So a killed run loses only its unfinished shards, a changed input,
model or option is refused by name, and the parts do not depend on the number of workers. When all parts are complete,
their records are returned in order, and the caller writes the output in one piece, as without parts: any format can be
written, and the output appears when it is complete. Then the folder is removed.

A journal next to a growing output would need no second pass, but would only work for formats that can be appended to,
and another process would have to put the results of the workers in order.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from lexel.corpora.job import Watch, prepare_job, run_job
from lexel.corpora.plan import JobOptions
from lexel.corpora.runners.local import run_local
from lexel.corpora.status import whole_records
from lexel.corpora.steps import Step
from lexel.corpora.store import DATA, FAULTS, MANIFEST, PLAN, SHARDS, STATUS, FolderStore
from lexel.corpora.worker import Job
from lexel.data.records import Record, open_records
from lexel.errors import DataError


def parts_folder(out: str) -> str:
    """The folder of an output's parts until the output is complete."""
    return f"{out}.parts"


@contextmanager
def read_in_parts(
    path: str,
    out: str,
    *,
    step: Step,
    options: JobOptions,
    workers: int,
    threads: int,
    resumes: bool,
    watch: Watch | None = None,
) -> Iterator[Iterator[Record]]:
    """The records of a file after a step, in order, once all parts are complete.

    The parts are removed at the end of the block. After an error, they are kept if ``resumes`` is true.

    Args:
        path: The file.
        out: The output; the parts are stored next to it.
        step: The step.
        options: How the file is read and cut.
        workers: Number of processes.
        threads: Number of threads of all processes together.
        resumes: Continue from parts that an earlier run finished, and keep parts for a later one. Otherwise, parts of
            an earlier run are removed first.
        watch: Is called with the progress of the job.

    Raises:
        DataError: If the file cannot be read, or the parts belong to another job.
    """
    store = FolderStore(parts_folder(out))
    _check_is_ours(store)
    with store.locked():
        if not resumes:
            _clear(store)
        try:
            yield _made(path, store, step=step, options=options, workers=workers, threads=threads, watch=watch)
        except BaseException:
            if not resumes:
                shutil.rmtree(store.folder, ignore_errors=True)
            raise
        shutil.rmtree(store.folder, ignore_errors=True)


def _made(
    path: str, store: FolderStore, *, step: Step, options: JobOptions, workers: int, threads: int, watch: Watch | None
) -> Iterator[Record]:
    advice = "Put it back, or leave out --resume to start again"
    job = prepare_job([path], store, steps=[step], options=options, advice=advice)
    store.remove_parts()
    share = max(1, threads // workers)
    run_job(job, lambda shards, at: run_local(job, shards, workers=workers, threads=share, collects=at), watch)
    return _records(job)


def _check_is_ours(store: FolderStore) -> None:
    """Refuse a folder with other files than parts, since it will be removed."""
    if not store.folder.is_dir():
        return
    ours = {PLAN, STATUS, MANIFEST, DATA, SHARDS, FAULTS}
    others = [entry.name for entry in store.folder.iterdir() if not (entry.name in ours or entry.name[0] == ".")]
    if others:
        found = f"holds {sorted(others)[0]!r}"
        raise DataError(f"{store.folder}: {found}; expected parts of an output alone. Move it, or choose another --out")


def _clear(store: FolderStore) -> None:
    for name in (PLAN, STATUS, MANIFEST):
        store.path(name).unlink(missing_ok=True)
    for name in (SHARDS, DATA, FAULTS):
        shutil.rmtree(store.path(name), ignore_errors=True)


def _records(job: Job) -> Iterator[Record]:
    for record in whole_records(job.store, job.plan):
        (name,) = (file["name"] for file in record["files"] if file["name"].startswith(f"{DATA}/"))
        yield from open_records(job.store.where(name), format="jsonl")

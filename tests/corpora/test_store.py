"""A job in an object store: keys of their own for each attempt, and a record that is created once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lexel.corpora import JobOptions, read_status, run_corpus, verify_corpus
from lexel.corpora.job import prepare_job
from lexel.corpora.steps import Length
from lexel.corpora.store import ObjectStore, open_store
from lexel.corpora.worker import Job, Worker
from lexel.data import places
from lexel.errors import DataError, MissingExtra, OptionError
from tests.corpora.conftest import lines_of, write_records

SMALL = JobOptions(shard_records=4)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A place that fsspec reads, and that worker processes see as well."""
    return f"local://{tmp_path}/bucket/out"


@pytest.fixture
def memory() -> Iterator[str]:
    from fsspec.implementations.memory import MemoryFileSystem

    yield "memory://bucket/out"
    MemoryFileSystem.store.clear()


def made(job: Job) -> dict[str, Any]:
    """The record of the first shard, made by a new worker."""
    with closing(Worker(job)) as worker:
        return worker.make(0)


def rows_of(place: str) -> list[Any]:
    """The records that count, by the manifest."""
    store = open_store(place)
    listed = [json.loads(line) for line in store.read("manifest.jsonl").splitlines()]
    names = [file["name"] for shard in listed for file in shard["files"] if file["name"].startswith("data/")]
    return [json.loads(line)["n"] for name in names for line in store.read(name).splitlines()]


def test_a_job_writes_its_records_once_and_verifies(corpus: Path, url: str) -> None:
    outcome = run_corpus([str(corpus)], url, steps=[Length()], options=SMALL, workers=2)
    assert (outcome.made, outcome.records_out) == (7, 25)
    assert rows_of(url) == list(range(25))
    assert verify_corpus(url).is_whole
    assert read_status(url)["state"] == "done"
    assert run_corpus([str(corpus)], url, steps=[Length()], options=SMALL, workers=1).made == 0


def test_of_two_workers_that_race_exactly_one_is_counted(corpus: Path, memory: str) -> None:
    store = open_store(memory)
    job = prepare_job([str(corpus)], store, steps=[Length()], options=SMALL)
    first, second = made(job), made(job)
    assert second == first
    assert list(store.sizes("data")) == [file["name"] for file in first["files"]]


def test_a_record_whose_files_are_gone_is_replaced(corpus: Path, memory: str) -> None:
    store = open_store(memory)
    job = prepare_job([str(corpus)], store, steps=[Length()], options=SMALL)
    gone = made(job)["files"][0]["name"]
    store.remove(gone)
    again = made(job)
    assert again["files"][0]["name"] != gone
    assert store.read_json("shards/part-000000.json") == again


def test_what_a_killed_attempt_left_is_removed_at_the_end(corpus: Path, url: str) -> None:
    stray = "data/part-000001-0123456789ab.jsonl"
    open_store(url).write(stray, b"{}\n")
    run_corpus([str(corpus)], url, steps=[Length()], options=SMALL, workers=1)
    assert stray not in open_store(url).sizes("data")
    open_store(url).write(stray, b"{}\n")
    (problem,) = verify_corpus(url).problems
    assert "part-000001-0123456789ab.jsonl: is not a file of the job" in problem
    assert "Run the same command again, which removes it" in problem


def test_an_attempt_at_a_shard_that_is_not_made_yet_is_no_problem(corpus: Path, memory: str) -> None:
    store = open_store(memory)
    prepare_job([str(corpus)], store, steps=[Length()], options=SMALL)
    store.write("data/part-000001-0123456789ab.jsonl", b"{}\n")
    verdict = verify_corpus(memory)
    assert (verdict.missing, verdict.problems) == (7, [])


def test_another_plan_is_refused_by_name(corpus: Path, memory: str) -> None:
    prepare_job([str(corpus)], open_store(memory), steps=[Length()], options=SMALL)
    with pytest.raises(DataError, match=r"memory://bucket/out/plan\.json: shard_records is 5, the plan has 4"):
        prepare_job([str(corpus)], open_store(memory), steps=[Length()], options=JobOptions(shard_records=5))


def test_a_changed_object_is_found(corpus: Path, url: str) -> None:
    run_corpus([str(corpus)], url, steps=[Length()], options=SMALL, workers=1)
    store = open_store(url)
    name = next(iter(store.sizes("data")))
    store.write(name, store.read(name).replace(b"r1", b"r9"))
    assert any("has changed" in problem for problem in verify_corpus(url).problems)


def test_duplicates_are_dropped_across_shards_in_a_store(tmp_path: Path, url: str) -> None:
    from lexel.corpora.steps import Dedup

    path = write_records(tmp_path / "in.jsonl", ({"text": f"t{n % 7}", "n": n} for n in range(20)))
    run_corpus([str(path)], url, steps=[Dedup()], options=SMALL, workers=1)
    assert rows_of(url) == list(range(7))
    assert not any(name.endswith(".collected") for name in open_store(url).sizes("passes/0"))


def test_a_missing_library_is_named_with_its_install_line() -> None:
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(
            MissingExtra, match=r's3:// needs a library that is not installed: pip install "lexel\[s3\]"'
        ):
            open_store("s3://bucket/out")
    with pytest.raises(OptionError, match=r"nowhere://x: .*expected a path, or a URL"):
        open_store("nowhere://x")


def test_a_store_that_refuses_is_one_line(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(memory)
    assert isinstance(store, ObjectStore)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(store._filesystem), "pipe_file", refuse)
    with pytest.raises(DataError, match=r"memory://bucket/out/a: the store refused \(Access Denied\)"):
        store.write("a", b"")


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".csv", ".parquet"])
def test_inputs_are_read_from_a_store(tmp_path: Path, ending: str) -> None:
    from lexel.data.records import Record, write_records

    for name in ("a", "b"):
        rows = [Record(f"文{n}", fields={"n": str(n)}) for n in range(10)]
        write_records(rows, str(tmp_path / f"{name}{ending}"))
    out = tmp_path / "out"
    run_corpus([f"local://{tmp_path}/*{ending}"], str(out), steps=[Length()], options=SMALL, workers=1)
    assert [int(one["n"]) for one in lines_of(out)] == 2 * list(range(10))
    assert verify_corpus(str(out)).is_whole


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"local://.*: matches nothing; expected the inputs of a job"):
        run_corpus([f"local://{tmp_path}/*.jsonl"], str(tmp_path / "out"), steps=[Length()])


def test_a_file_in_place_of_a_folder_holds_no_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert open_store(str(tmp_path / "file")).read_json("plan.json") is None


def test_a_file_of_a_job_that_may_not_be_read_is_not_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"plan.json: cannot be read \(Permission denied\); expected .* may read$"):
        open_store(str(tmp_path)).read_json("plan.json")


def test_an_input_whose_store_refuses_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: str) -> None:
        raise DataError(f"{place}: the store refused (Access Denied)")

    monkeypatch.setattr(places, "facts_of", refuse)
    with pytest.raises(DataError, match="Access Denied"):
        places.exists("memory://bucket/in.txt")


def test_a_lack_of_memory_is_not_the_stores_refusal() -> None:
    with pytest.raises(MemoryError), places.store_errors("memory://bucket/a", expected="a file to read"):
        raise MemoryError


def test_a_lock_that_may_not_be_opened_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path))
    with store.locked():
        pass

    def refuse(path: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    assert store.is_held is None


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", no_locks)
    with (
        pytest.raises(DataError, match=r"\.lock: cannot be locked \(No locks available\); expected"),
        open_store(str(tmp_path)).locked(),
    ):
        pass
    assert open_store(str(tmp_path)).is_held is None


def no_locks(*_: Any) -> None:
    raise OSError(37, "No locks available")

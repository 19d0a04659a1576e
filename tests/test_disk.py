"""Files and folders that are written beside the ones that they become, and what killed processes leave of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from lexel.checkpoint.folder import new_folder
from lexel.data.files import open_output
from lexel.data.vectors import MADE, _whole_folder
from lexel.disk import write_json
from lexel.errors import DataError

needs_locks = pytest.mark.skipif(os.name != "posix", reason="needs locks that end with their process")

WRITERS = {
    "file": "from lexel.data.files import open_output as begin",
    "model folder": "from lexel.checkpoint.folder import new_folder as begin",
    "folder of vectors": (
        "from lexel.data.vectors import MADE, _whole_folder\ndef begin(path): return _whole_folder(path, marker=MADE)"
    ),
}


@contextmanager
def writer(kind: str, target: Path) -> Iterator[None]:
    """Another process that has begun to write, and is killed at the end of the block."""
    script = (
        f"{WRITERS[kind]}\nimport sys, pathlib, time\n"
        f"with begin(pathlib.Path({str(target)!r})): print('begun', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        yield
        process.send_signal(signal.SIGKILL)


def write_file(path: Path) -> None:
    with open_output(path) as output:
        output.write("whole\n")


def write_folder(path: Path) -> None:
    with new_folder(path) as folder:
        (folder / "a").write_text("whole")


def write_vectors(path: Path) -> None:
    with _whole_folder(path, marker=MADE) as folder:
        (folder / MADE).write_text("{}")


WRITE: dict[str, Callable[[Path], None]] = {
    "file": write_file,
    "model folder": write_folder,
    "folder of vectors": write_vectors,
}


@needs_locks
@pytest.mark.parametrize("kind", WRITERS)
def test_what_a_killed_process_left_goes_when_the_same_name_is_written_again(tmp_path: Path, kind: str) -> None:
    with writer(kind, tmp_path / "out"):
        pass
    assert len(os.listdir(tmp_path)) == 1
    WRITE[kind](tmp_path / "other")
    assert len(os.listdir(tmp_path)) == 2  # it may be of use until then
    WRITE[kind](tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["other", "out"]


@needs_locks
@pytest.mark.parametrize("kind", WRITERS)
def test_what_another_process_is_writing_stays(tmp_path: Path, kind: str) -> None:
    with writer(kind, tmp_path / "out"):
        before = os.listdir(tmp_path)
        WRITE[kind](tmp_path / "out")
        assert sorted(os.listdir(tmp_path)) == sorted([*before, "out"])


@needs_locks
def test_a_json_file_takes_what_was_left_of_it_along(tmp_path: Path) -> None:
    with writer("file", tmp_path / "a.json"):
        pass
    write_json(tmp_path / "a.json", {"a": 1})
    assert os.listdir(tmp_path) == ["a.json"]


def test_many_threads_write_the_same_name_at_once(tmp_path: Path) -> None:
    failed: list[OSError] = []

    def write() -> None:
        try:
            for _ in range(50):
                write_json(tmp_path / "a.json", {"a": list(range(100))})
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_name_as_long_as_a_name_may_be_is_written(tmp_path: Path) -> None:
    name = "字" * 85
    write_json(tmp_path / name, {})
    write_file(tmp_path / name)
    write_folder(tmp_path / f"{name[1:]}dir")
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nothing can be made")
def test_a_folder_in_which_nothing_can_be_made_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match=r"No such file|denied|not permitted"):
        write_json(Path("/proc/a.json"), {})
    with pytest.raises(DataError, match=r"^/proc/a\.txt: cannot be written"):
        write_file(Path("/proc/a.txt"))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("kind", ["model folder", "folder of vectors"])
def test_a_file_that_a_library_kept_to_its_owner_follows_the_umask(tmp_path: Path, kind: str) -> None:
    begin = {"model folder": new_folder, "folder of vectors": partial(_whole_folder, marker=MADE)}[kind]
    before = os.umask(0o022)
    try:
        with begin(tmp_path / "out") as folder:
            (folder / "graph").mkdir()
            (folder / "graph" / "weights").touch(mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "out" / "graph" / "weights").stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path / "out") == ["graph"]

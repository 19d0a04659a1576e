"""A growing file: whatever happens to it, each whole line is given once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lexel.data import following
from lexel.data.following import GrowingFile


class WaitsError(Exception):
    """Nothing is there at the moment."""


@pytest.fixture(autouse=True)
def never_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        raise WaitsError

    monkeypatch.setattr(following.time, "sleep", sleep)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


@pytest.fixture
def growing(path: Path) -> Iterator[GrowingFile]:
    path.write_bytes("一\n".encode())
    with closing(GrowingFile(path)) as file:
        yield file


def there(file: GrowingFile, *, size: int = 1000) -> str:
    """All that can be read at the moment."""
    found = b""
    while True:
        try:
            found += file.read(size) or b""
        except WaitsError:
            return found.decode()


def add(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def test_lines_that_are_added_are_given(growing: GrowingFile, path: Path) -> None:
    assert there(growing) == "一\n"
    add(path, "二\n三\n".encode())
    assert there(growing, size=2) == "二\n三\n"


def test_a_line_waits_for_its_end(growing: GrowingFile, path: Path) -> None:
    there(growing)
    add(path, b"a")
    assert there(growing) == ""
    add(path, b"b\nc")
    assert there(growing) == "ab\n"


def test_a_writer_may_stop_inside_a_character(growing: GrowingFile, path: Path) -> None:
    there(growing)
    add(path, "他".encode()[:2])
    assert there(growing) == ""
    add(path, "他".encode()[2:] + b"\n")
    assert there(growing) == "他\n"


def test_a_file_that_was_rotated_is_read_to_its_end_and_then_its_successor(growing: GrowingFile, path: Path) -> None:
    there(growing)
    old = path.rename(path.with_suffix(".1"))
    add(old, "二\n三".encode())
    path.write_bytes("四\n".encode())
    assert there(growing) == "二\n三\n四\n"


def test_a_character_that_breaks_off_before_a_rotation_is_dropped(growing: GrowingFile, path: Path) -> None:
    there(growing)
    add(path, b"a" + "他".encode()[:2])
    assert there(growing) == ""
    path.rename(path.with_suffix(".1"))
    path.write_bytes(b"b\n")
    assert there(growing) == "a\nb\n"


def test_a_file_that_is_gone_for_a_while_is_waited_for(growing: GrowingFile, path: Path) -> None:
    there(growing)
    path.rename(path.with_suffix(".1"))
    assert there(growing) == ""
    path.write_bytes(b"b\n")
    assert there(growing) == "b\n"


def test_a_file_that_was_cut_is_read_from_its_start_without_the_line_that_broke_off(
    growing: GrowingFile, path: Path
) -> None:
    add(path, b"half a line")
    there(growing)
    path.write_bytes(b"b\n")
    assert there(growing) == "b\n"

"""``lexel tag --workers`` and ``--resume``: the output of one piece, also after a kill, and nothing left beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, Run, one_error
from tests.cli.test_disk_full import disk, fill

__all__ = ["disk"]

TEXTS = ("我在中国", "他在北京", "", "我")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of several shards."""
    path = tmp_path / "in.jsonl"
    rows = (json.dumps({"id": f"r{n}", "text": TEXTS[n % 4], "n": n}, ensure_ascii=False) for n in range(4500))
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.conll"])
def test_a_file_in_parts_becomes_the_output_of_one_piece(lexel: Run, source: Path, tmp_path: Path, name: str) -> None:
    with open(source, "a", encoding="utf-8") as file:
        file.write('\n{\n{"text": "我在中国我在中国"}\n{"text": "我"}\n')
    plain, parts = tmp_path / f"plain-{name}", tmp_path / f"parts-{name}"
    options = ("tag", source, "--max-chars", "5", "--on-error", "file", "-q")
    assert lexel(*options, "--out", plain).returncode == 0
    assert lexel(*options, "--out", parts, "--workers", "2").returncode == 0
    assert parts.read_bytes() == plain.read_bytes()
    errors = [path.with_name(f"{path.name}.errors.jsonl").read_bytes() for path in (plain, parts)]
    assert errors[0] == errors[1]
    assert errors[0].count(b"\n") == 2
    assert not parts.with_name(f"{parts.name}.parts").exists()


def made(out: Path) -> dict[str, int]:
    """The parts that are whole, with their times."""
    return {path.name: path.stat().st_mtime_ns for path in Path(f"{out}.parts", "shards").glob("part-*.json")}


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")
def test_a_killed_run_goes_on_from_the_parts_that_are_whole(
    lexel: Run, environment: dict[str, str], source: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    command = ["tag", str(source), "-q", "--resume", "--out"]
    assert lexel(*command, whole).returncode == 0
    with subprocess.Popen([*COMMAND, *command, str(out)], env=environment, start_new_session=True) as process:
        until = time.monotonic() + 100
        while not made(out) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        os.killpg(process.pid, 9)
    before = made(out)
    assert 0 < len(before) < 3
    assert not out.exists()
    said = one_error(lexel(*command, out, "--min-score", "0.5"))
    assert "step 1 (tag): options: min_score is 0.5, the plan has not there" in said
    assert "or leave out --resume to start again" in said
    assert made(out) == before
    assert lexel(*command, out).returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.jsonl", "whole.jsonl"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--workers", "2"), "add --out FILE"),
        (("--resume", "--out", "out.jsonl", "--from", "conll"), "conll cannot be cut into parts"),
        (("--resume", "--out", "out.jsonl", "--line-buffered"), "results come at the end"),
    ],
)
def test_what_cannot_be_read_in_parts_is_refused(
    lexel: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("我在\n", encoding="utf-8")
    assert said in one_error(lexel("tag", "in.txt", *options), status=2)


def test_a_folder_with_other_files_is_left_alone(lexel: Run, source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out.jsonl.parts" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    said = one_error(lexel("tag", source, "-q", "--out", tmp_path / "out.jsonl", "--workers", "1"))
    assert "out.jsonl.parts: holds 'mine.txt'; expected parts of an output alone" in said
    assert mine.exists()


def test_a_disk_that_fills_up_is_one_line_and_the_parts_that_are_whole_stay(
    lexel: Run, disk: Path, source: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.jsonl", disk / "out.jsonl"
    assert lexel("tag", source, "-q", "--out", whole).returncode == 0
    fill(disk, but=whole.stat().st_size * 6 // 10)
    failed = lexel("tag", source, "-q", "--resume", "--out", out)
    licence, error = failed.stderr.decode().splitlines()
    assert failed.returncode == 1
    assert licence.startswith("licence not stated")
    assert "part-000001.jsonl: cannot be written (No space left on device)" in error
    before = made(out)
    assert len(before) == 1
    (disk / "filler").unlink()
    assert lexel("tag", source, "-q", "--resume", "--out", out).returncode == 0
    assert out.read_bytes() == whole.read_bytes()

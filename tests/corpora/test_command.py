"""``lexel corpus`` as a process: one line for an error, a full disk, a status and a page."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, Run, one_error
from tests.cli.test_disk_full import disk, fill
from tests.corpora.conftest import lines_of, write_records

__all__ = ["disk"]


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    path = tmp_path / "steps.yaml"
    path.write_text("- length: {least: 6}\n", encoding="utf-8")
    return path


def test_run_status_verify_and_page(lexel: Run, corpus: Path, steps: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = lexel("corpus", "run", corpus, "--out", out, "--steps", steps, "--workers", "1", "--shard-records", "10")
    assert ran.returncode == 0, ran.stderr
    said = ran.stderr.decode()
    assert said.startswith("note: started: 3 shards, 25 records\n")
    assert "done: 3 of 3 shards, 25 of 25 records read, 15 written" in said
    assert "already complete" not in said
    status = json.loads(lexel("corpus", "status", out).stdout)
    assert (status["state"], status["records_out"]) == ("done", 15)
    assert status["steps"] == [{"step": "length", "in": 25, "out": 15, "faulty": 0}]
    verified = lexel("corpus", "verify", out)
    assert verified.returncode == 0
    assert "25 records in, 0 blank, 0 not readable, length -10: 15 records out" in verified.stdout.decode()
    assert lexel("corpus", "status", out, "--html", tmp_path / "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<td>length</td>" in page
    assert ">-10<" in page


def test_verify_says_what_is_missing(lexel: Run, corpus: Path, steps: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lexel("corpus", "run", corpus, "--out", out, "--steps", steps, "--workers", "1", "--shard-records", "10")
    (out / "shards" / "part-000001.json").unlink()
    said = one_error(lexel("corpus", "verify", out))
    assert "1 shard still to be made; run the same command again" in said


@pytest.mark.parametrize(("missing", "said"), [((), "3 of 3 shards were"), ((0, 2), "1 of 3 shards was")])
def test_a_resumed_run_says_what_was_complete(
    lexel: Run, corpus: Path, tmp_path: Path, missing: tuple[int, ...], said: str
) -> None:
    out, steps = tmp_path / "out", tmp_path / "steps.yaml"
    steps.write_text("[dedup, length]\n", encoding="utf-8")  # dedup looks at all shards first
    command = ("corpus", "run", corpus, "--out", out, "--steps", steps, "--workers", "1", "--shard-records", "10")
    lexel(*command)
    for number in missing:
        (out / "shards" / f"part-{number:06}.json").unlink()
    lines = lexel(*command).stderr.decode().splitlines()
    assert lines[:2] == ["note: started: 3 shards, 25 records", f"note: {said} already complete"]
    assert lines[2].startswith("note: done: 3 of 3 shards")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_resume(
    environment: dict[str, str], tmp_path: Path, steps: Path, number: signal.Signals, status: int
) -> None:
    source = write_records(tmp_path / "in.jsonl", ({"text": f"我在中国{n}"} for n in range(3000)))
    command = [*COMMAND, "corpus", "run", source, "-o", tmp_path / "out", "--steps", steps, "--shard-records", "1"]
    with subprocess.Popen([*map(str, command), "--workers", "1"], stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"note: started: 3,000 shards, 3,000 records\n"
        deadline = time.monotonic() + 60
        while not list((tmp_path / "out" / "shards").glob("*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        assert process.stderr.read() == b"note: interrupted; run the same command again to resume\n"
        assert process.wait(timeout=60) == status


def test_steps_that_are_not_there_are_no_such_file(lexel: Run, corpus: Path, tmp_path: Path) -> None:
    said = one_error(lexel("corpus", "plan", corpus, "--steps", tmp_path / "no.yaml"))
    assert "no.yaml: no such file; expected a YAML file of steps" in said


def test_the_plan_is_shown_without_a_folder(lexel: Run, corpus: Path, steps: Path) -> None:
    shown = lexel("corpus", "plan", corpus, "--steps", steps).stdout.decode()
    assert "jsonl, 25 records" in shown
    assert '1. length {"least": 6}' in shown


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("- lenght", "step 1: no step is called 'lenght'; did you mean 'length'?"),
        ("- length: {lest: 3}", "step 1 (length): no option 'lest'; did you mean 'least'?"),
        ("- length: {least: x}", "step 1 (length): least is 'x'; expected a whole number"),
        ("- length: {least: 5, most: 3}", "step 1 (length): most is 3, least 5"),
        ("- tag: {script: latin}", "script is 'latin'; expected one of simplified, traditional, as-is"),
        ("a: b: c", "not YAML"),
        ("length", "found str; expected a list of steps"),
    ],
)
def test_a_wrong_recipe_is_one_line(lexel: Run, corpus: Path, tmp_path: Path, steps: str, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(steps, encoding="utf-8")
    assert said in one_error(lexel("corpus", "plan", corpus, "--steps", path))


def test_a_disk_that_fills_up_is_one_line_and_earlier_shards_stay(
    lexel: Run, disk: Path, tmp_path: Path, steps: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": "x" * 4000, "n": n}) + "\n" for n in range(100)), encoding="utf-8")
    fill(disk, but=200_000)
    command = ("corpus", "run", source, "--out", disk / "out", "--steps", steps, "--shard-records", "10")
    said = one_error(lexel(*command, "--workers", "1", "-q"))
    assert "No space left on device" in said
    n_whole = len(lines_of(disk / "out"))
    assert 0 < n_whole < 100
    (disk / "filler").unlink()
    assert lexel(*command, "--workers", "1").returncode == 0
    assert [one["n"] for one in lines_of(disk / "out")] == list(range(100))
    assert lexel("corpus", "verify", disk / "out").returncode == 0

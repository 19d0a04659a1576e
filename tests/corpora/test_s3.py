"""A job on S3, inputs and all, against moto's server: the library runs in an environment of its own (``LEXEL_S3``)."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpora.conftest import write_records

PYTHON = os.environ.get("LEXEL_S3", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="LEXEL_S3 names no Python with s3fs and moto[server]")
ROOT = Path(__file__).parents[2]
LEXEL = [PYTHON, "-c", "import sys; from lexel.cli.main import run; sys.exit(run())"]
READ_BACK = """
import json, sys
from lexel.corpora.store import open_store
store = open_store(sys.argv[1])
listed = [json.loads(line) for line in store.read("manifest.jsonl").splitlines()]
names = [file["name"] for shard in listed for file in shard["files"] if file["name"].startswith("data/")]
assert sorted(names) == list(store.sizes("data")), "files that do not count are left"
print(json.dumps([json.loads(line)["n"] for name in names for line in store.read(name).splitlines()]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a client of a server that holds a bucket called ``corpora``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(tmp_path_factory.mktemp("moto") / "log", "wb")  # noqa: SIM115
    command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    own = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            for _ in range(600):
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            found = os.environ | keys | own
            make = "import s3fs; s3fs.S3FileSystem().mkdir('corpora')"
            subprocess.run([PYTHON, "-c", make], env=found, check=True)
            yield found
        finally:
            server.kill()


@pytest.fixture
def command(tmp_path: Path, environment: dict[str, str]) -> list[str]:
    """A job whose input is in the bucket."""
    source, steps = tmp_path / "in.jsonl", tmp_path / "steps.yaml"
    write_records(source, ({"id": f"r{n}", "text": f"我在中国{n}", "n": n} for n in range(25)))
    steps.write_text("- length\n", encoding="utf-8")
    put = "import s3fs, sys; s3fs.S3FileSystem().put(sys.argv[1], 'corpora/in/a.jsonl')"
    subprocess.run([PYTHON, "-c", put, str(source)], env=environment, check=True)
    return [
        *LEXEL,
        "corpus",
        "run",
        "s3://corpora/in/*.jsonl",
        "--steps",
        str(steps),
        "--shard-records",
        "4",
        "--workers",
        "1",
    ]


def read_back(out: str, environment: dict[str, str]) -> str:
    return subprocess.check_output([PYTHON, "-c", READ_BACK, out], env=environment, text=True).strip()


def test_a_job_reads_from_a_bucket_and_writes_into_it(command: list[str], environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [*command, "--out", "s3://corpora/one"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert read_back("s3://corpora/one", environment) == str(list(range(25)))
    verified = subprocess.run(
        [*LEXEL, "corpus", "verify", "s3://corpora/one"], env=environment, capture_output=True, check=False
    )
    assert verified.returncode == 0, verified.stdout
    assert b'"state": "done"' in subprocess.check_output(
        [*LEXEL, "corpus", "status", "s3://corpora/one"], env=environment
    )


def test_two_runs_that_race_count_every_record_once(command: list[str], environment: dict[str, str]) -> None:
    racing = [subprocess.Popen([*command, "--out", "s3://corpora/two"], env=environment) for _ in range(2)]
    assert [process.wait(120) for process in racing] == [0, 0]
    assert read_back("s3://corpora/two", environment) == str(list(range(25)))


def test_a_bucket_that_is_not_there_is_one_line(command: list[str], environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [*command, "--out", "s3://not-there/x"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "s3://not-there/x: no such bucket" in ran.stderr
    assert "Traceback" not in ran.stderr

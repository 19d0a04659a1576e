"""The Containerfile step by step: its commands in a virtual environment, and what it starts without rights.

No image is built. The build's commands run as they stand, with folders of this machine in place of the image's. What
the image starts then runs as another user, with a read-only root, an empty ``/tmp``, and no network but loopback.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("unshare", "mount", "ip")

pytestmark = [
    pytest.mark.skipif("LEXEL_TEST_CLIENTS" not in os.environ, reason="run make test-clients"),
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or None in map(shutil.which, TOOLS),
        reason=f"needs Linux, root, and {', '.join(TOOLS)}",
    ),
]

APART = """
ip link set lo up
mount --options remount,bind,ro /
mount --types tmpfs tmpfs /tmp
exec unshare --user --map-user={user} --map-group={user} {command}
"""


class Instruction(NamedTuple):
    """A line of a Containerfile, continued ones joined."""

    name: str
    rest: str


def instructions(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage."""
    joined = path.read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    found = [Instruction(*line.split(None, 1)) for line in lines]
    starts = [i for i, one in enumerate(found) if one.name == "FROM"]
    return [found[start:end] for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Where the image's folders stand; not below /tmp, which is empty in a container."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def stages(place: Path) -> list[list[Instruction]]:
    """The Containerfile with folders of this machine."""
    found = instructions(ROOT / "deploy" / "Containerfile")
    return [
        [Instruction(one.name, one.rest.replace("/opt/lexel", f"{place}/lexel")) for one in stage] for stage in found
    ]


@pytest.fixture(scope="module")
def built(stages: list[list[Instruction]], place: Path) -> Path:
    """The virtual environment that the first stage makes."""
    work = place / "build"
    work.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    for one in stages[0]:
        if one.name == "COPY":
            *sources, target = one.rest.split()
            for source in sources:
                copy(ROOT / source, work / target / ("" if target != "./" else Path(source).name))
        elif one.name == "RUN":
            subprocess.run(
                one.rest, shell=True, cwd=work, env=environment, check=True, capture_output=True, timeout=600
            )
    return place / "lexel"


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def test_what_the_image_starts_answers_without_rights_or_network(
    stages: list[list[Instruction]], built: Path, place: Path
) -> None:
    last = {one.name: one.rest for one in stages[-1]}
    variables = dict(pair.split("=", 1) for pair in shlex.split(last["ENV"]))

    def found_in_path(command: str) -> list[str]:
        first, *rest = json.loads(command)
        return [str(built / "bin" / first), *rest]

    settings = {
        "environment": {name: value.replace("$PATH", "/usr/bin:/bin") for name, value in variables.items()},
        "entry": found_in_path(last["ENTRYPOINT"]),
        "health": found_in_path(last["HEALTHCHECK"].partition("CMD")[2]),
        "place": str(place),
    }
    file = place / "settings.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    driver = shutil.copy(Path(__file__).parent / "in_container.py", place)
    command = shlex.join([str(built / "bin" / "python"), str(driver), str(file)])
    script = APART.format(user=last["USER"], command=command)
    run = ["unshare", "--mount", "--net", "sh", "-ec", script]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found == {
        "user": int(last["USER"]),
        "healthy": True,
        "words": ["他", "在", "北京", "。"],
        "status": 0,
        "writable": ["/tmp"],
        "networks": ["lo"],
    }

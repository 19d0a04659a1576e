"""Real processes with an empty home: none opens a network connection, and none writes outside its own folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

READ = "import lexel; assert lexel.load({}).stream([{!r}]).__next__().words"
TRAIN = """
from pathlib import Path
from lexel.training.loop.fit import train
from tests.training.runs import options
train(options(Path("run"), max_steps=2{}))
"""
SERVE = """
import asyncio, json
import lexel.serving.run
from lexel.serving.app import build_app

async def serve():
    app, answer = build_app(), []

    asked = []

    async def receive():
        if asked:
            await asyncio.sleep(60)
        asked.append(1)
        return {"type": "http.request", "body": json.dumps({"text": "他在北京工作。"}).encode(), "more_body": False}

    async def send(message):
        answer.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/tag", "raw_path": b"/v1/tag", "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
    }
    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
    assert answer[0]["status"] == 200, answer

asyncio.run(serve())
"""
"""A request to the application itself, since a server must have a socket."""
SCRIPTS = {
    "bundled": ((), READ.format("", "他在北京工作。")),
    "torch": (("torch",), READ.format("engine='torch', precision='float32'", "他在北京工作。")),
    "script": (("opencc",), READ.format("script='simplified'", "他在臺北工作。")),
    "parquet": (
        ("pyarrow",),
        """
import io
from pathlib import Path
from lexel.data.parquet import read_parquet, write_parquet
from lexel.document import Document, Words
import lexel
write_parquet([lexel.load()("他在北京工作。")], Path("out.parquet"))
assert next(iter(read_parquet(Path("out.parquet")))).words
""",
    ),
    "cluster": (
        ("sklearn",),
        """
import sys
from pathlib import Path
from lexel.cli.main import run
from tests.builders import build_sentence_model
build_sentence_model(Path("model"))
Path("texts.txt").write_text("he went\\nnew york\\nthe live\\n")
for arguments in (["embed", "--model", "model", "--out", "vectors", "texts.txt"], ["cluster", "-k", "2", "vectors"]):
    sys.argv = ["lexel", *arguments]
    assert run() == 0
""",
    ),
    "quantize": (
        ("nncf",),
        "from tests.quantised import quantised_tagger; assert quantised_tagger().quantised",
    ),
    "export": (
        ("onnx", "onnx_ir", "onnxruntime"),
        """
from pathlib import Path
from lexel.export.folder import export_model
assert export_model(None, Path("out"), head="words")["words"]["graphs"]["float32"]["largest"] < 1e-4
""",
    ),
    "serve": (("fastapi", "uvicorn", "prometheus_client"), SERVE),
    "train": (("torch", "transformers", "accelerate"), TRAIN.format("")),
}
"""What each process does, with the libraries that it must have: each extra is used as a caller uses it."""

WRITES = re.compile(r"\b(?:O_WRONLY|O_RDWR|O_CREAT)\b")
PLACES = re.compile(r'"([^"]*)"')
SHARED = ("/dev/null", "/dev/shm/", "/dev/tty", "/proc/self/", "/dev/nvidia")
"""Where a process may write besides its own folders: devices, and semaphores that processes of one user share."""


def can_trace() -> bool:
    """Whether strace is here and may watch a process."""
    try:
        return (
            subprocess.run(["strace", "-qq", "-o", os.devnull, sys.executable, "-c", ""], check=False).returncode == 0
        )
    except OSError:
        return False


needs_strace = pytest.mark.skipif(not can_trace(), reason="strace is missing, or may not watch processes here")


def trace(folder: Path, script: str) -> list[str]:
    """Run a script under strace; gives the system calls that reach out: sockets, programs, changes of files."""
    for name in ("home", "tmp", "cache", "work", "work/run"):
        (folder / name).mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LEXEL_CACHE": str(folder / "cache"),
    }
    log = folder / "trace"
    calls = (
        "trace=socket,connect,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
    )
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "4096", "-e", calls, "-o", str(log)]
    done = subprocess.run(
        [*command, sys.executable, "-c", script],
        cwd=folder / "work",
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return log.read_text("utf-8", "replace").splitlines()


def connections(calls: list[str]) -> list[str]:
    """Sockets of any network; a name service's cache on this machine (AF_UNIX) and the kernel's own are none."""
    return [call for call in calls if " socket(" in call and "AF_UNIX" not in call and "AF_NETLINK" not in call]


def changes(calls: list[str], *, own: Path) -> list[str]:
    """Calls that change files outside the process's own folders; its home is not among these."""
    folders = tuple(f"{own / name}" for name in ("tmp", "cache", "work"))
    found = []
    for call in calls:
        if " socket(" in call or " connect(" in call or (" open" in call and not WRITES.search(call)):
            continue
        place = PLACES.search(call)
        where = place[1] if place else ""
        if " = -1 " not in call and where.startswith("/") and not where.startswith((*folders, *SHARED)):
            found.append(call)
    return found


@needs_strace
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_process_reaches_nothing_but_its_own_folders(tmp_path: Path, name: str) -> None:
    libraries, script = SCRIPTS[name]
    for library in libraries:
        if find_spec(library) is None:
            pytest.skip(f"no {library} here")
    calls = trace(tmp_path, script)
    assert connections(calls) == []
    assert changes(calls, own=tmp_path) == []
    assert list((tmp_path / "home").iterdir()) == []


@needs_strace
def test_the_trace_sees_a_connection_and_a_file_in_the_home_folder(tmp_path: Path) -> None:
    calls = trace(tmp_path, "import socket, pathlib; socket.socket(); (pathlib.Path.home() / 'a').write_text('')")
    assert len(connections(calls)) == 1
    assert len(changes(calls, own=tmp_path)) == 1

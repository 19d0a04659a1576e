"""A disk that is full, or a kill, while a model is exported: no folder under its name, the model as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lexel.export.folder import export_model
from tests.builders import WORDS, build_tagger

PROGRAM = """
import resource, sys
from pathlib import Path
from lexel.errors import LexelError
from lexel.export.folder import export_model
import onnxruntime
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    export_model(folder, folder.parent / "new")
except LexelError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("limit", [200, 20_000], ids=["description", "graph"])
def test_an_export_that_finds_no_room_leaves_nothing(tmp_path: Path, limit: int) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS}, pieces="chars")
    command = [sys.executable, "-c", PROGRAM, str(folder), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "new" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


KILLED = """
import os, signal, sys
from pathlib import Path
import onnx
from lexel.export.folder import export_model
onnx.checker.check_model = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # the graph has been written
folder = Path(sys.argv[1])
export_model(folder, folder.parent / "new")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_export_leaves_no_folder_under_its_name_and_the_next_one_removes_the_rest(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS}, pieces="chars")
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], timeout=200, check=False)
    assert done.returncode == -9
    (part,) = (path for path in tmp_path.iterdir() if path != folder)
    assert part.suffix == ".part"
    assert (part / "onnx" / "model.onnx").is_file()
    export_model(folder, tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "new"}

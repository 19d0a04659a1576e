"""A disk that is full while a model is exported: one line, nothing left, the model as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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

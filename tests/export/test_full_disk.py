"""A disk that is full while a graph is written: one line, nothing left, the model as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import WORDS, build_tagger
from tests.quantised import needs_int8

PROGRAM = """
import resource, sys, nncf, openvino
from pathlib import Path
from lexel.checkpoint import open_checkpoint
from lexel.errors import CheckpointError
from lexel.export.quantize import QuantizeOptions, quantize
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    quantize(open_checkpoint(folder), folder.parent / "new", calibration=["我在北王"] * 9,
             options=QuantizeOptions(max_flips=1000))
except CheckpointError as error:
    print(error)
"""


@needs_int8
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("limit", [500, 20_000, 60_000], ids=["description", "weights", "graph"])
def test_a_graph_that_finds_no_room_leaves_nothing(tmp_path: Path, limit: int) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS}, pieces="chars")
    command = [sys.executable, "-c", PROGRAM, str(folder), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "new: not written (" in done.stdout
    assert done.stdout.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

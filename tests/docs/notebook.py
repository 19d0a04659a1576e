"""The tutorial notebook; run it as a module to execute it again and keep what its cells show.

python -m tests.docs.notebook
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "examples" / "tutorial.ipynb"
_SCORE = re.compile(r"\d+\.\d+")


def run_notebook(path: Path) -> None:
    """Execute a notebook and write what its cells show into it, without the times of execution.

    Raises:
        AssertionError: If a cell fails.
    """
    line = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-W", "default", "-p", "no:cacheprovider"]
    line += ["--nbmake", "--overwrite", str(path)]
    ran = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def shown_texts(path: Path) -> list[str]:
    """What the cells of a notebook show as text; scores, whose last digits differ between machines, are blanked."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = (output for cell in notebook["cells"] for output in cell.get("outputs", ()))
    return [_SCORE.sub("#", text) for output in outputs for text in _texts(output)]


def _texts(output: dict[str, Any]) -> Iterator[str]:
    for lines in (output.get("text"), output.get("data", {}).get("text/plain")):
        if lines is not None:
            yield "".join(lines)


if __name__ == "__main__":
    run_notebook(TUTORIAL)

"""The bundled model without traditional characters, to see what a model of one script does with the other.

python -m tests.script.one_script FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from lexel.checkpoint.source import bundled_folder
from lexel.text.script import converter


def make(folder: Path) -> Path:
    """A copy of the bundled model whose vocabulary has lost every character that simplified Chinese writes otherwise.

    What such a character's embedding has learnt is then out of reach, as if the model had never seen traditional text.
    """
    shutil.copytree(bundled_folder(), folder)
    path = folder / "vocab.txt"
    pieces = path.read_text(encoding="utf-8").splitlines()
    simplified = converter("simplified")(pieces)
    lines = [
        piece if piece == other else f"[unused-{i}]"
        for i, (piece, other) in enumerate(zip(pieces, simplified, strict=True))
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


if __name__ == "__main__":
    make(Path(sys.argv[1]))

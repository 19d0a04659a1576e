"""Options of ``lexel calibrate``."""

from __future__ import annotations

from typing import Annotated

import typer

from lexel.cli.options.groups import option

_CALIBRATING = "Calibrating"

Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="A model folder.")]

Data = Annotated[
    list[str],
    option(
        "--data",
        "-d",
        panel=_CALIBRATING,
        value="FILE",
        help="Labelled documents that the model was not trained on. Can be repeated.",
    ),
]

ScriptBorder = Annotated[
    float | None,
    option(
        "--script-border",
        panel=_CALIBRATING,
        value="NATS",
        min=0,
        help="Bonus for a word boundary between Latin letters, digits or marks (#) and Chinese. Default: unchanged.",
    ),
]

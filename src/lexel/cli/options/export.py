"""Options of ``lexel export``."""

from __future__ import annotations

from typing import Annotated, Literal

from lexel.cli.options.groups import choices, option

_EXPORTING = "Exporting"

TargetName = Literal["onnx"]

To = Annotated[TargetName, option("--to", panel=_EXPORTING, value="FORMAT", help=f"{choices(TargetName)} (default).")]

HeadName = Annotated[
    str | None, option("--head", panel=_EXPORTING, value="NAME", help="Export this head alone; otherwise all of them.")
]

Precision = Annotated[
    str,
    option("--precision", panel=_EXPORTING, value="LIST", help="float32 (default), int8, or float32,int8."),
]

MaxFlips = Annotated[
    float,
    option(
        "--max-flips",
        panel=_EXPORTING,
        value="N",
        min=0,
        help="Most decisions of 1,000 that may come out otherwise in int8; 30.",
    ),
]

Check = Annotated[
    bool, option("--check", panel=_EXPORTING, help="Compare an exported folder with the model; write nothing.")
]

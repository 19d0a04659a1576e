"""Options of ``lexel quantize``."""

from __future__ import annotations

from typing import Annotated

from lexel.cli.options.groups import option

_QUANTISING = "Quantising"

Calibration = Annotated[
    str | None,
    option(
        "--calibration",
        panel=_QUANTISING,
        value="FILE",
        help="Text like that to be read, some hundred sentences; a small sample in several languages if not given.",
    ),
]

Data = Annotated[
    str | None,
    option("--data", "-d", panel=_QUANTISING, value="FILE", help="Labelled documents to measure the cost on."),
]

MaxDrop = Annotated[
    float,
    option("--max-drop", panel=_QUANTISING, value="POINTS", min=0, help="Most F1 that a layer may lose; 0.2."),
]

MaxFlips = Annotated[
    float,
    option(
        "--max-flips",
        panel=_QUANTISING,
        value="N",
        min=0,
        help="Without --data: most decisions of 1,000 that may come out otherwise; 30.",
    ),
]

Dynamic = Annotated[
    bool, option("--dynamic", panel=_QUANTISING, help="Only the weights in advance, the rest while computing.")
]

WeightsOnly = Annotated[
    bool,
    option(
        "--weights-only",
        panel=_QUANTISING,
        help="Store the weights in eight bits and make no graph: a smaller folder, not a faster one.",
    ),
]

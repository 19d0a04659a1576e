"""Options of ``lexel quantize``."""

from __future__ import annotations

from typing import Annotated

from lexel.cli.options.groups import option

_QUANTISING = "Quantization"

Calibration = Annotated[
    str | None,
    option(
        "--calibration",
        panel=_QUANTISING,
        value="FILE",
        help="A few hundred sentences of the text to be read. Default: a built-in sample in 8 languages.",
    ),
]

Data = Annotated[
    str | None,
    option(
        "--data", "-d", panel=_QUANTISING, value="FILE", help="Labelled documents to measure the loss of accuracy on."
    ),
]

MaxDrop = Annotated[
    float,
    option("--max-drop", panel=_QUANTISING, value="POINTS", min=0, help="Maximum loss of F1 per layer. Default: 0.2."),
]

MaxFlips = Annotated[
    float,
    option(
        "--max-flips",
        panel=_QUANTISING,
        value="N",
        min=0,
        help="Without --data: maximum number of changed decisions per 1,000. Default: 30.",
    ),
]

Dynamic = Annotated[
    bool, option("--dynamic", panel=_QUANTISING, help="Quantize weights in advance and activations at run time.")
]

WeightsOnly = Annotated[
    bool,
    option(
        "--weights-only",
        panel=_QUANTISING,
        help="Store the weights in eight bits: a smaller folder with the same speed.",
    ),
]

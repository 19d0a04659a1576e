"""Options of ``lexel export``."""

from __future__ import annotations

from typing import Annotated, Literal

from lexel.cli.options.groups import choices, option

_EXPORTING = "Exporting"

FormatName = Literal["onnx", "torch", "bin", "pt2", "jax", "tensorflow", "litert", "openvino"]

To = Annotated[
    str,
    option("--to", panel=_EXPORTING, value="LIST", help=f"Some of {choices(FormatName)}, with commas. Default: onnx."),
]

HeadName = Annotated[
    str | None, option("--head", panel=_EXPORTING, value="NAME", help="Export this head only. Default: all heads.")
]

Joint = Annotated[
    bool, option("--joint", panel=_EXPORTING, help="All heads for labels in one graph, with an output for each.")
]

Precision = Annotated[
    str,
    option(
        "--precision",
        panel=_EXPORTING,
        value="LIST",
        help="For onnx, some of float32 (default), int8, float16, with commas.",
    ),
]

MaxFlips = Annotated[
    float,
    option(
        "--max-flips",
        panel=_EXPORTING,
        value="N",
        min=0,
        help="Without --data: maximum number of changed decisions per 1,000 in int8 or float16. Default: 30.",
    ),
]

Data = Annotated[
    str | None,
    option("--data", "-d", panel=_EXPORTING, value="FILE", help="Labelled documents to measure int8 and float16 on."),
]

MaxDrop = Annotated[
    float,
    option(
        "--max-drop",
        panel=_EXPORTING,
        value="POINTS",
        min=0,
        help="With --data: maximum loss of F1 per layer in int8 or float16. Default: 0.2.",
    ),
]

Check = Annotated[
    bool, option("--check", panel=_EXPORTING, help="Compare an exported folder with its model; write nothing.")
]

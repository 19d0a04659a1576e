"""Options of ``lexel evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from lexel.cli.options.groups import (
    option,
)

_MEASURING = "Measuring"

TaskName = Literal["tag", "classify", "answer"]

Data = Annotated[str, option("--data", "-d", panel=_MEASURING, value="FILE", help="Labelled documents.")]


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """What is measured, and the outputs of the report."""

    vocabulary: Annotated[
        str | None,
        option(
            "--vocabulary",
            panel=_MEASURING,
            value="FILE",
            help="Training data or its word list: report recall of known and unknown words, count shared texts.",
        ),
    ] = None
    map_labels: Annotated[
        str | None,
        option(
            "--map-labels",
            panel=_MEASURING,
            value="FILE",
            help="JSON file that maps gold labels to the model's labels.",
        ),
    ] = None
    task: Annotated[
        TaskName | None,
        option(
            "--task", panel=_MEASURING, value="NAME", help="tag, classify or answer. Default: by the model's heads."
        ),
    ] = None
    samples: Annotated[
        int,
        option("--samples", panel=_MEASURING, value="N", min=0, help="Bootstrap samples. Default: 1000. 0: none."),
    ] = 1000
    seed: Annotated[int, option("--seed", panel=_MEASURING, value="N", help="Seed of the samples. Default: 42.")] = 42
    out: Annotated[
        str | None, option("--out", "-o", panel=_MEASURING, value="FILE", help="Write the report as JSON.")
    ] = None
    html: Annotated[
        str | None,
        option("--html", panel=_MEASURING, value="FILE", help="Write an HTML page with plots and mistakes."),
    ] = None

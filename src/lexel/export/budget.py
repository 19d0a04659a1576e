"""The allowed and the measured loss of a smaller ONNX graph, with the same scorers as other comparisons."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.exported import GRAPHS
from lexel.document import Document
from lexel.engines.choose import EngineOptions
from lexel.errors import EngineError
from lexel.evaluation.cost.cost import Loss, described_quantised
from lexel.evaluation.cost.measure import without_announcements
from lexel.evaluation.cost.student import Gold, student_cost
from lexel.export.calibration import read_calibration

if TYPE_CHECKING:
    from lexel.export.standard import Target

MOST_FLIPS = 1000.0
"""No bound: with labelled documents, F1 decides."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The allowed loss of a smaller graph.

    Attributes:
        max_flips: Without labelled documents: maximum number of changed decisions per thousand.
        max_drop: With labelled documents: maximum loss of F1 per layer, in points.
        gold: Labelled documents.
    """

    max_flips: float
    max_drop: float
    gold: Sequence[Document] = ()


def graph_cost(checkpoint: Checkpoint, place: Path, precision: str, target: Target, budget: Budget) -> dict[str, Any]:
    """Measure the loss of a written graph against the model in float32.

    Returns:
        ``cost``, and ``report``: the same in words, one line each. Nothing for a trained head for vectors, which Lexel
        does not read from an exported folder.

    Raises:
        EngineError: If the loss is larger than allowed.
    """
    if target.plan is not None and target.plan.attention is not None:
        return {}
    from lexel.export.parity import exact_engine

    with without_announcements(level=logging.ERROR):  # the folder has no card yet
        cost = student_cost(
            checkpoint,
            open_checkpoint(place, is_own=True),
            gold=Gold(documents=budget.gold),
            texts=read_calibration(checkpoint, None, is_needed=False),
            engines=(exact_engine(), EngineOptions(engine="onnxruntime", precision=precision)),
            is_timed=False,
        )
    if not cost.loss.is_within(budget.max_drop, budget.max_flips):
        raise EngineError(
            f"{GRAPHS[precision]}: {precision} costs {cost.loss.in_words()}; expected {_allowed(cost.loss, budget)} at "
            "most. Nothing was written; export float32, or allow more"
        )
    record = {name: value for name, value in cost.record().items() if not name.startswith("chars_per_second")}
    return {"cost": record, "report": described_quantised(cost, what=precision)}


def _allowed(loss: Loss, budget: Budget) -> str:
    if loss.layers:
        return f"{budget.max_drop:g} points (--max-drop)"
    return f"{budget.max_flips:g} (--max-flips)"

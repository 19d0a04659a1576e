"""The six transition biases of a calibrated Viterbi, from a model's ``viterbi_calibration.json``.

    {"operating_points": {"default": {"biases": {"transition_bias_background_stay": 0.0, ...}}}}

Each bias is added to the score of a path for each transition of its kind (``openai/privacy-filter`` defines them for
BIOES tags): higher ``background_to_start`` finds more spans, higher ``background_stay`` finds fewer. A bias that the
file does not name is 0, and the start and the end of a text cost nothing. The point ``default`` is read.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.files import TRANSITION_BIASES
from lexel.errors import CheckpointError
from lexel.jsonfile import read_object
from lexel.labels import LabelSet

POINT = "default"

_KINDS = {
    "background_stay": ("O", "O"),
    "background_to_start": ("O", "BS"),
    "inside_to_continue": ("BI", "I"),
    "inside_to_end": ("BI", "E"),
    "end_to_background": ("ES", "O"),
    "end_to_start": ("ES", "BS"),
}
"""The roles of tags before and after a transition, by bias."""


def read_transition_biases(folder: Path, label_set: LabelSet) -> NDArray[np.float32] | None:
    """The biases of a folder between the tags of a head, ``[labels + 1, labels + 1]``; ``None`` without the file.

    Args:
        folder: The model folder.
        label_set: The tags of its entities; the last row and column are for the outside of a text.

    Raises:
        CheckpointError: If the file is invalid, or the tags are not BIOES.
    """
    path = folder / TRANSITION_BIASES
    if not path.exists():
        return None
    values = _biases(read_object(path), str(path))
    if label_set.task != "entities" or label_set.scheme not in ("BIOES", "BILOU"):
        raise CheckpointError(
            f"{path}: biases for BIOES tags, the labels of the head are {label_set.description}; expected entities in "
            "BIOES. Remove the file, or correct the labels"
        )
    roles = _roles(label_set)
    found = np.zeros((len(roles) + 1,) * 2, np.float32)
    for kind, value in values.items():
        before, after = _KINDS[kind]
        found[:-1, :-1][np.ix_(np.isin(roles, list(before)), np.isin(roles, list(after)))] = value
    return found


def _roles(label_set: LabelSet) -> NDArray[np.str_]:
    """O, B, I, E or S of each tag, ``[labels]``."""
    unit = np.where(label_set.ends, "S", "B")
    inside = np.where(label_set.ends, "E", "I")
    return np.where(label_set.outside, "O", np.where(label_set.begins, unit, inside))


def _biases(values: dict[str, Any], where: str) -> dict[str, float]:
    points = values.get("operating_points")
    point = points.get(POINT) if isinstance(points, dict) else None
    biases = point.get("biases") if isinstance(point, dict) else None
    if not isinstance(biases, dict):
        raise CheckpointError(f"{where}: no operating_points.{POINT}.biases; expected an object of six numbers")
    found = {}
    for name, value in biases.items():
        kind = name.removeprefix("transition_bias_")
        if kind not in _KINDS or kind == name:
            known = ", ".join(f"transition_bias_{kind}" for kind in _KINDS)
            raise CheckpointError(f"{where}: unknown bias {name!r}; expected {known}")
        if type(value) not in (int, float) or not math.isfinite(value):
            raise CheckpointError(f"{where}: {name} is {value!r}; expected a finite number")
        found[kind] = float(value)
    return found

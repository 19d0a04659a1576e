"""Values for a head that are chosen on development data: calibration, a minimum score, settings of decoding.

``lexel.json`` stores them under the head's key ``tuned``; ``lexel calibrate`` writes them. Every value has a default
without effect, so a head without the key is used unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lexel.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Tuned:
    """Values for a head that are chosen on development data.

    Attributes:
        scale: Factor on the log-odds of its scores, above 0; with ``shift``, Platt's calibration.
        shift: Added to the log-odds after that.
        min_score: For entities: by default, those with a lower calibrated score are left out.
        script_border: For words: added to the log-odds of a begin where letters, digits or marks meet Chinese, and
            subtracted within letters and digits.
        record: How they were found: the data and the figures before and after.
    """

    scale: float = 1.0
    shift: float = 0.0
    min_score: float = 0.0
    script_border: float = 0.0
    record: Mapping[str, Any] = field(default_factory=dict)


NUMBERS = tuple(part.name for part in fields(Tuned) if part.name != "record")


def read_tuned(entry: Any, where: str) -> Tuned:
    """The key ``tuned`` of a head in ``lexel.json``; the defaults if the head has no such key.

    Raises:
        CheckpointError: If it is not in the form that ``lexel calibrate`` writes.
    """
    if entry is None:
        return Tuned()
    known = {*NUMBERS, "record"}
    if not isinstance(entry, dict) or not entry.keys() <= known:
        raise CheckpointError(f"{where}: expected an object of {', '.join(sorted(known))}; run lexel calibrate again")
    numbers = {name: entry[name] for name in NUMBERS if name in entry}
    for name, value in numbers.items():
        if type(value) not in (int, float) or not math.isfinite(value) or (name == "scale" and value <= 0):
            expected = "a number above 0" if name == "scale" else "a number"
            raise CheckpointError(f"{where}: {name} is {value!r}; expected {expected}. Run lexel calibrate again")
    record = entry.get("record", {})
    if not isinstance(record, dict):
        raise CheckpointError(f"{where}: record is a {type(record).__name__}; expected an object")
    return Tuned(**{name: float(value) for name, value in numbers.items()}, record=record)

"""Calibration of a classifier's scores on labelled texts, and the file that stores it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from lexel.data.files import open_output
from lexel.errors import CheckpointError, DataError
from lexel.jsonfile import read_object

CALIBRATION_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature that calibrates scores, and the thresholds with the best F1, both found on labelled data.

    Attributes:
        temperature: Scores are divided by it before the function.
        thresholds: By label, the minimum score; empty if each text has exactly one label.
        n_examples: Number of labelled texts.
        f1: By label, the F1 on these texts with these thresholds.
    """

    temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    n_examples: int = 0
    f1: Mapping[str, float] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON.

        Raises:
            DataError: If the file cannot be written.
        """
        values = {"format": CALIBRATION_FORMAT} | {part.name: getattr(self, part.name) for part in fields(self)}
        with open_output(path) as output:
            output.write(json.dumps(values, ensure_ascii=False, indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read what ``save`` wrote.

        Raises:
            DataError: If the file is not a calibration.
        """
        try:
            values = read_object(Path(path))
        except CheckpointError as error:
            raise DataError(str(error)) from error
        names = {part.name for part in fields(cls)}
        if values.pop("format", None) != CALIBRATION_FORMAT or values.keys() != names:
            raise DataError(f"{path}: not a calibration; expected what Calibration.save or lexel classify wrote")
        temperature, thresholds = values["temperature"], values["thresholds"]
        numbers = [temperature, *thresholds.values()] if isinstance(thresholds, dict) else [None]
        if not all(type(number) in (int, float) for number in numbers) or temperature <= 0:
            raise DataError(f"{path}: temperature or thresholds are not numbers; expected what Calibration.save wrote")
        return cls(**values)

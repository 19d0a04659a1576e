"""The families of encoders, one file each: a record of what is special about it, and how its encoder is built.

To add one, write its file and name its record here. See "Add a family" in CONTRIBUTING.md.
"""

from __future__ import annotations

from lexel.encoder.families import albert, bert, distilbert, electra, roberta
from lexel.encoder.family import Family

FAMILIES = (albert.FAMILY, bert.FAMILY, distilbert.FAMILY, electra.FAMILY, roberta.FAMILY)

BY_MODEL_TYPE: dict[str, Family] = {model_type: family for family in FAMILIES for model_type in family.model_types}
"""The family that reads each ``model_type``."""


def family_of(model_type: str) -> Family:
    """The family of a supported ``model_type``.

    Raises:
        KeyError: If no family reads it.
    """
    return BY_MODEL_TYPE[model_type]

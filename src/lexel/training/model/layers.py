"""Finds the layers of transformers' encoders."""

from __future__ import annotations

import re

from torch import nn

from lexel.encoder.families import family_of
from lexel.encoder.family import Family


def layers_of(encoder: nn.Module) -> list[nn.Module]:
    """The layers with their own weights, in order."""
    is_layer = re.compile(_pattern(family_of(encoder.config.model_type))).fullmatch
    return [module for name, module in encoder.named_modules() if is_layer(name)]


def layer_pattern(family: Family) -> re.Pattern[str]:
    """Finds the layer in the name of a parameter; its first group is the layer's number, or that of ALBERT's group."""
    return re.compile(rf"\b{_pattern(family)}\.")


def _pattern(family: Family) -> str:
    return re.escape(family.layers).replace(r"\*", r"(\d+)")

"""Quantised folders for tests: made once a session from tiny models, where the machine and its libraries can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.choose import is_int8_native, processor_flags
from tests.builders import CHARS, ENTITIES, POS, WORDS, build_tagger

HEADS = {"words": WORDS, "pos": POS, "entities": ENTITIES}
TEXTS = [
    "we live in new york",
    "他們在臺北市",
    "living in the new york of 2026",
    *(CHARS[i : i + 9] for i in range(30)),
]

needs_int8 = pytest.mark.skipif(
    find_spec("nncf") is None or not is_int8_native(processor_flags()), reason="no NNCF, or no int8 products, here"
)
"""For tests that quantise."""


def int8(name: str) -> Any:
    """A pytest parameter of that name, left out where nothing can be quantised."""
    return pytest.param(name, marks=needs_int8)


@cache
def quantised_tagger(*, pieces: str = "tokenizer", sizes: tuple[tuple[str, Any], ...] = ()) -> Checkpoint:
    """A tiny tagger of three heads with an int8 graph, calibrated on ``TEXTS``."""
    from lexel.export.quantize import QuantizeOptions, quantize

    place = Path(_place().name)
    name = f"{pieces}-{abs(hash(sizes))}"
    folder = build_tagger(place / name, heads=HEADS, pieces=pieces, config=dict(sizes))
    quantize(open_checkpoint(folder), place / f"{name}-int8", calibration=TEXTS, options=QuantizeOptions(max_flips=1e3))
    return open_checkpoint(place / f"{name}-int8")


@cache
def _place() -> TemporaryDirectory[str]:
    """A folder that is there until the tests end."""
    return TemporaryDirectory(prefix="lexel-int8-")


def tolerance_of(checkpoint: Checkpoint) -> Mapping[str, float]:
    """What a quantised folder states: by head, how far the probabilities of 999 of 1,000 pieces are off at most."""
    assert checkpoint.quantised is not None
    stated: Mapping[str, float] = checkpoint.quantised.record["cost"]["tolerance"]
    return stated


def computed_outputs(checkpoint: Checkpoint, precision: str) -> Sequence[str]:
    """All that an engine computes of ``checkpoint``: in int8 the heads and the last layer."""
    n_layers = checkpoint.config.n_layers
    layers = (n_layers,) if precision == "int8" else range(n_layers + 1)
    return [*checkpoint.heads, *(f"hidden.{layer}" for layer in layers)]

"""The steps by name; a file each."""

from __future__ import annotations

from lexel.corpora.steps.base import CorpusStep, Machine, Shard, Step
from lexel.corpora.steps.length import Length
from lexel.corpora.steps.tag import Segment, Tag

STEPS: dict[str, type[Step]] = {step.name: step for step in (Length, Segment, Tag)}

__all__ = ["STEPS", "CorpusStep", "Length", "Machine", "Segment", "Shard", "Step", "Tag"]

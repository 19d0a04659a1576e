"""Findings against a model: one for each rule that it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]

RULES: Mapping[str, str] = {
    "licence": "The licence is one that the policy allows",
    "unknown-licence": "The licence is known",
    "licence-contradiction": "The licence file and the card name the same licence",
    "base-licence": "The licence of the model that it was made from is one that the policy allows",
    "pinned": "The revision is a commit",
    "owner": "The owner on the hub is one that the policy allows",
    "safetensors": "The weights are safetensors",
    "size": "The files are not larger than the policy allows",
    "lock": "The model is exactly what the lock file holds",
    "unreachable": "The model can be looked at",
}
"""The requirement of each rule. Exceptions and reports use these names."""


EXCUSABLE = tuple(rule for rule in RULES if rule not in ("lock", "unreachable"))
"""The rules that can have exceptions."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a model breaks.

    Attributes:
        model: The model, as named by the user.
        rule: One of ``RULES``.
        found: The facts.
        expected: The requirement, and what to do.
        level: ``error`` refuses the model.
        excused: Who allowed it, why and until when; ``None`` without an exception.
    """

    model: str
    rule: str
    found: str
    expected: str
    level: Level = "error"
    excused: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether the finding refuses the model."""
        return self.level == "error" and self.excused is None

    @property
    def message(self) -> str:
        """The finding in one line."""
        return f"{self.model}: {self.found}; {self.expected}"

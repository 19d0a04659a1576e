"""What speaks against a model: one finding for each rule that it breaks."""

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
"""What each rule demands. Exceptions and reports name the rules so."""


EXCUSABLE = tuple(rule for rule in RULES if rule not in ("lock", "unreachable"))
"""The rules that a policy may make exceptions from."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a model breaks.

    Attributes:
        model: The model, as it was named.
        rule: One of ``RULES``.
        found: What was found.
        expected: What was expected, and what to do.
        level: ``error`` refuses the model.
        excused: Who allowed it, why and until when; ``None`` where nobody did.
    """

    model: str
    rule: str
    found: str
    expected: str
    level: Level = "error"
    excused: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether the model may not be loaded."""
        return self.level == "error" and self.excused is None

    @property
    def message(self) -> str:
        """The finding in one line."""
        return f"{self.model}: {self.found}; {self.expected}"

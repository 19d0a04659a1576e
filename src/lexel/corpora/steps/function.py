"""``function``: a function of your own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lexel.corpora.steps.base import Apply, Machine, Step
from lexel.errors import OptionError


@dataclass(frozen=True)
class Function(Step):
    """Send records through a function of yours: ``def clean(records, shard, **options) -> list[Record]``.

    It must depend on nothing but its arguments; draw from ``shard.random``. Its file's checksum is part of the plan.

    Attributes:
        call: Where it is: ``package.module:function``.
        options: What else it is given.
    """

    name = "function"

    call: str
    options: dict[str, Any] = field(default_factory=dict)

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        function = self._function()
        return lambda records, shard: list(function(records, shard, **self.options))

    def files(self) -> tuple[str, ...]:
        """See ``Step.files``."""
        module = importlib.import_module(self._function().__module__)
        return () if module.__file__ is None else (str(Path(module.__file__)),)

    def _function(self) -> Callable[..., Any]:
        module, _, name = self.call.partition(":")
        try:
            function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise OptionError(f"function: {self.call!r} ({error}); expected package.module:function") from error
        return function

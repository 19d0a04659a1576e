"""``function``: applies your own function."""

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
    """Apply your own function: ``def clean(records, shard, **options) -> list[Record]``.

    It must depend on its arguments only; for random numbers, use ``shard.random``. The checksum of its file is part of
    the plan.

    Attributes:
        call: Its location: ``package.module:function``.
        options: Keyword arguments for it.
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

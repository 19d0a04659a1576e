"""Bottleneck adapters in ``lexel.json``: small layers that are added to a frozen encoder and trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lexel.checkpoint.config import ACTIVATIONS
from lexel.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """The adapters in an encoder's layers.

    Attributes:
        size: Width of the bottleneck.
        activation: The function in it, one of the values of ``lexel.checkpoint.config.ACTIVATIONS``.
    """

    size: int
    activation: str


def read_adapter(entry: Any, where: str) -> AdapterConfig | None:
    """The entry ``adapter`` of ``lexel.json``; ``None`` if it has no such entry.

    Raises:
        CheckpointError: If it is not ``{"size": N, "activation": NAME}``.
    """
    if entry is None:
        return None
    if not isinstance(entry, dict) or set(entry) != {"size", "activation"}:
        raise CheckpointError(f'{where} is {entry!r}; expected an object such as {{"size": 64, "activation": "gelu"}}')
    size, activation = entry["size"], entry["activation"]
    if type(size) is not int or size < 1:
        raise CheckpointError(f"{where}: size is {size!r}; expected a whole number from 1 on")
    if activation not in ACTIVATIONS.values():
        known = ", ".join(dict.fromkeys(ACTIVATIONS.values()))
        raise CheckpointError(f"{where}: activation is {activation!r}; expected one of {known}")
    return AdapterConfig(size, activation)

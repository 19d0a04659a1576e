"""The inputs of a model, and the step that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Material:
    """An input of a model.

    Attributes:
        kind: ``data``, ``base``, ``teacher``, ``recipe`` or ``lock``.
        name: Its name; not an absolute path, since the statement is published.
        sha256: Checksum of each of its files by name; a single file has its own name.
        uri: Its address, if it has one.
        licence: Its licence, if it is known.
        statement: SHA-256 of its own ``provenance.json``.
        chain: The steps that made it, the last one first.
    """

    kind: str
    name: str
    sha256: Mapping[str, str]
    uri: str | None = None
    licence: str | None = None
    statement: str | None = None
    chain: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """How a folder was made.

    Attributes:
        verb: The command: ``train``, ``distill``, ``quantize``, ``export`` ...
        parameters: The options.
        materials: The inputs.
        began: When it began, if known.
        details: The outcome: steps, seeds, losses.
    """

    verb: str
    parameters: Mapping[str, Any]
    materials: Sequence[Material]
    began: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

"""What goes into a model, and the step that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Material:
    """Something that went in.

    Attributes:
        kind: ``data``, ``base``, ``teacher``, ``recipe`` or ``lock``.
        name: What it is called; no absolute path, since the statement is published.
        sha256: Checksum of each of its files by name; of one file its own name.
        uri: Where it is from, if it has an address.
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
        parameters: What was asked for.
        materials: What went in.
        began: When it began, if that is known.
        details: What came of it: steps, seeds, losses.
    """

    verb: str
    parameters: Mapping[str, Any]
    materials: Sequence[Material]
    began: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

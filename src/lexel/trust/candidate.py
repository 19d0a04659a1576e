"""The facts about a model before its weights are read, for checking policies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lexel.licences import Verdict

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be loaded. ``None`` means not known yet, or not applicable.

    Attributes:
        name: The user's name for it.
        repo_id: Its hub id; ``None`` for a folder or a bundled model.
        revision: The requested revision.
        commit: The commit of that revision.
        licence: The licence in its files.
        files: Size in bytes of each file that is read, by name.
    """

    name: str
    repo_id: str | None = None
    revision: str | None = None
    commit: str | None = None
    licence: Verdict | None = None
    files: Mapping[str, int] | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether the name alone identifies its files permanently."""
        return self.repo_id is None or bool(self.revision and _COMMIT.fullmatch(self.revision))

    @property
    def owner(self) -> str | None:
        """The account on the hub that it belongs to."""
        return self.repo_id.partition("/")[0] if self.repo_id and "/" in self.repo_id else None

    @property
    def pickles(self) -> list[str]:
        """Weight files that are not safetensors."""
        return [name for name in self.files or () if re.fullmatch(r"(.*/)?pytorch_model.*\.bin", name)]

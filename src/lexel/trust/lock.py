"""``lexel.lock``: the models of a project, with the checksums of all their files.

    {"version": 1, "sha256": "...", "models": [{"model": "owner/name", "revision": "main", "commit": "...",
     "files": {"config.json": {"bytes": 570, "sha256": "..."}, ...}, "licence": ..., "heads": ..., "tokenizer": ...,
     "probe": ...}]}

``sha256`` is the checksum of the models, so that changes by hand or by a merge are detected. A folder is named by its
path from the folder of the lock file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lexel.disk import sha256_of, write_text
from lexel.errors import LexelError, PolicyError
from lexel.jsonfile import parse_object, read_bounded
from lexel.trust.places import folders_above, is_there

FILE = "lexel.lock"
VERSION = 1
"""The version of the format, for reading and writing."""

VARIABLE = "LEXEL_LOCK"
"""The variable for another lock file."""
LOCKED = "LEXEL_LOCKED"
"""The variable that allows only models in the lock file; the option ``--locked`` sets it."""

_DEEPEST = 4
_AGAIN = "Write it again with lexel lock"


@dataclass(frozen=True, slots=True)
class LockedModel:
    """One model of a lock file.

    Attributes:
        model: Its hub id, the name of a bundled model, or the path of a folder from the lock file's.
        revision: The requested revision; ``None`` for folders.
        commit: The commit of that revision.
        files: Size and SHA-256 of each file that is read, by name.
        licence: The licence in its files, and the verdict.
        heads: Task, scheme and labels of each head.
        tokenizer: Checksum of the tokenizer's pieces of fixed texts.
        probe: The model's results on fixed texts.
    """

    model: str
    revision: str | None
    commit: str | None
    files: Mapping[str, Mapping[str, Any]]
    licence: Mapping[str, Any] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    probe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.model if self.revision is None else f"{self.model}@{self.revision}"


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file.

    Attributes:
        path: Its path.
        models: The locked models.
    """

    path: Path
    models: tuple[LockedModel, ...] = ()

    def find(self, model: str, revision: str | None) -> LockedModel | None:
        """The entry of a hub id at a revision or commit, or of a bundled model."""
        asked = revision or "main"
        of_model = [entry for entry in self.models if entry.model == model]
        if of_model and of_model[0].commit is None:
            return of_model[0]
        return next((entry for entry in of_model if asked in (entry.revision, entry.commit)), None)

    def find_folder(self, folder: Path) -> LockedModel | None:
        """The entry of a folder."""
        wanted = folder.resolve()
        return next((entry for entry in self.models if (self.path.parent / entry.model).resolve() == wanted), None)

    def find_files(self, files: Mapping[str, Mapping[str, Any]]) -> LockedModel | None:
        """The entry that has exactly these files."""
        return next((entry for entry in self.models if entry.files == files), None)

    def with_models(self, models: Iterable[LockedModel]) -> Lock:
        """A copy with some entries replaced or added, in order of name."""
        kept = {entry.name: entry for entry in self.models} | {entry.name: entry for entry in models}
        return Lock(self.path, tuple(kept[name] for name in sorted(kept)))


def is_demanded() -> bool:
    """Whether only models in the lock file are allowed."""
    return os.environ.get(LOCKED, "").lower() not in ("", "0", "false", "no")


def lock_path() -> Path:
    """The lock file for the working directory: the nearest one, else a new one in it."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    return next((place / FILE for place in folders_above() if is_there(place / FILE)), Path(FILE))


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises:
        PolicyError: If it does not exist, has another version, or was changed by hand.
    """
    if not path.is_file():
        raise PolicyError(
            f"{path}: no such lock file; expected one that lexel lock wrote. Make it with lexel lock MODEL"
        )
    data = read_bounded(path, error=PolicyError)
    values = parse_object(data, where=str(path), error=PolicyError)
    if values.get("version") != VERSION:
        raise PolicyError(
            f"{path}: a lock of version {values.get('version')!r}; this version of Lexel reads {VERSION}. {_AGAIN}"
        )
    try:
        models = tuple(_entry(entry) for entry in values["models"])
        is_unchanged = text_of(models).encode("utf-8") == data
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"{path}: no lock that Lexel wrote ({error!r}); expected its models. {_AGAIN}") from error
    if not is_unchanged:
        raise PolicyError(f"{path}: was changed since it was written; expected the checksum that it holds. {_AGAIN}")
    return Lock(path, models)


def write_lock(lock: Lock) -> None:
    """Write a lock file; an old file is kept until the new one is complete.

    Raises:
        OSError: If the disk refuses.
    """
    write_text(lock.path, text_of(lock.models))


def text_of(models: Sequence[LockedModel]) -> str:
    """The text of a lock file, including its own checksum."""
    entries = [asdict(entry) for entry in models]
    packed = json.dumps(entries, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(packed.encode("utf-8")).hexdigest()
    values = {"version": VERSION, "sha256": digest, "models": entries}
    return _lines(values, "") + "\n"


def _lines(value: Any, indent: str) -> str:
    """JSON with one line for each file, head and probed text, so that diffs are easy to read."""
    is_nested = isinstance(value, dict) and len(indent) < _DEEPEST
    is_listed = isinstance(value, list | tuple) and any(isinstance(item, dict | list) for item in value)
    if not value or not (is_nested or is_listed) or len(indent) > _DEEPEST:
        return json.dumps(value, ensure_ascii=False)
    inner = f"{indent} "
    if isinstance(value, dict):
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_lines(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + item for item in items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _lines(item, inner) for item in value) + f"\n{indent}]"


def _entry(values: Any) -> LockedModel:
    if set(values) != {each.name for each in fields(LockedModel)}:
        raise ValueError(f"an entry of {', '.join(map(str, values))}")
    for name, file in values["files"].items():
        if set(file) != {"bytes", "sha256"} or name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"a file {name!r}")
    return LockedModel(**values)


def describe_files(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and checksum of each file, by name."""
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)} for name in names}


def difference(entry: LockedModel, folder: Path, names: Iterable[str], *, is_whole: bool) -> str | None:
    """The difference between the files of a folder and a locked model; ``None`` if there is none.

    Args:
        entry: The locked model.
        folder: Its folder.
        names: The files that are read.
        is_whole: Whether ``names`` are all files, so that a missing one counts as a difference.
    """
    there = list(names)
    if added := [name for name in there if name not in entry.files]:
        return f"{added[0]} is not in the lock"
    if is_whole and (missing := [name for name in entry.files if name not in there]):
        return f"{missing[0]} is missing"
    for name in there:
        size, expected = (folder / name).stat().st_size, entry.files[name]["bytes"]
        if size != expected:
            return f"{name} has {size:,} bytes, the lock says {expected:,}"
        try:
            found = sha256_of(folder / name)
        except LexelError as error:
            return str(error)
        if found != entry.files[name]["sha256"]:
            return f"{name} has the SHA-256 {found[:12]}..., the lock says {entry.files[name]['sha256'][:12]}..."
    return None

"""Lists the models that load without a download: bundled ones, and BERT-family models in the hub's cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lexel.checkpoint.card import read_card
from lexel.checkpoint.config import read_config
from lexel.checkpoint.heads import read_heads
from lexel.checkpoint.hub_cache import cached_models
from lexel.checkpoint.source import bundled_folder, bundled_names
from lexel.errors import CheckpointError, LabelError


@dataclass(frozen=True, slots=True)
class AvailableModel:
    """A model that loads without a download.

    Attributes:
        id: The hub id, or the name of a bundled model.
        commit: Its commit; ``None`` for a bundled model.
        bytes: Size of its files.
        licence: The licence in its card.
        heads: Task of each head by its name; empty if the labels are unclear.
        int8: Whether it has a quantised graph.
        folder: Its folder.
        problem: Why its labels are unclear.
    """

    id: str
    commit: str | None
    bytes: int
    licence: str | None
    heads: dict[str, str]
    int8: bool
    folder: str
    problem: str | None = None


def list_models() -> tuple[list[AvailableModel], int]:
    """The models that Lexel can read, and the number of others in the cache."""
    found: list[AvailableModel | None] = []
    found += [look_at(bundled_folder(name), name) for name in bundled_names()]
    found += [look_at(model.folder, model.repo_id, commit=model.commit) for model in cached_models()]
    listed = [model for model in found if model is not None]
    return listed, len(found) - len(listed)


def look_at(folder: Path, id: str, *, commit: str | None = None) -> AvailableModel | None:
    """The model in a folder; ``None`` if Lexel does not support it."""
    try:
        config = read_config(folder)
    except CheckpointError:
        return None
    heads, has_int8, problem = {}, False, None
    try:
        found = read_heads(folder, config, repo_id=None if commit is None else id)
        heads = {head.name: str(head.task) for head in found.heads.values()}
        has_int8 = found.quantised is not None
    except (CheckpointError, LabelError) as error:
        problem = str(error)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return AvailableModel(id, commit, size, read_card(folder).licence, heads, has_int8, str(folder), problem)

"""Lists the models in the hub library's cache, by reading its layout without loading the library.

The layout is described at https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PREFIX = "models--"
_REPO_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


class CachedModel(NamedTuple):
    """One revision of a repository in the cache.

    Attributes:
        repo_id: The hub id.
        commit: Its commit.
        folder: The folder of its files.
    """

    repo_id: str
    commit: str
    folder: Path


def cache_folder() -> Path:
    """The cache folder, by the same variables as for downloads."""
    if chosen := os.environ.get("LEXEL_CACHE"):
        return Path(chosen).expanduser() / "hub"
    if chosen := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{base}/huggingface").expanduser() / "hub"


def cached_models() -> Iterator[CachedModel]:
    """Every revision of every cached model with a config, by id."""
    for repository in sorted(cache_folder().glob(f"{_PREFIX}*")):
        repo_id = repository.name.removeprefix(_PREFIX).replace("--", "/", 1)
        for folder in sorted(repository.glob("snapshots/*")):
            if (folder / "config.json").is_file():
                yield CachedModel(repo_id, folder.name, folder)


def may_be_downloaded(source: str) -> bool:
    """Whether a source looks like a hub id without anything in the cache."""
    repo_id = source.partition("@")[0]
    if Path(source).expanduser().exists() or "/" not in repo_id or not _REPO_ID.fullmatch(repo_id):
        return False
    return not (cache_folder() / (_PREFIX + repo_id.replace("/", "--"))).is_dir()

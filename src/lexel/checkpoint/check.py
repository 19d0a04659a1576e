"""Checks models against policy and lock without loading them, for ``lexel check``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lexel.checkpoint.files import BIN_FILES, SAFETENSORS_FILES, description_files, files_read, is_read
from lexel.checkpoint.front_matter import read_keys
from lexel.checkpoint.gate import licence_of
from lexel.checkpoint.hub import Listing, NotOnHubError, list_files
from lexel.checkpoint.source import BUNDLED_SCRIPTS, fetch, fetch_description, split_revision
from lexel.errors import CheckpointError
from lexel.licences import Verdict, kind_of, strictest
from lexel.licences.verdict import texts_of
from lexel.trust.candidate import Candidate
from lexel.trust.findings import Finding
from lexel.trust.judge import judge_model
from lexel.trust.lock import Lock, LockedModel, difference
from lexel.trust.policy import Policy

_MOST_BASES = 8
"""Maximum number of models in a chain of base models to check."""


def check_models(sources: Iterable[str], policy: Policy) -> list[Finding]:
    """The findings against models; for hub models, only the card and the list of files are fetched."""
    return [finding for source in sources for finding in _check(source, policy)]


def check_lock(lock: Lock, policy: Policy) -> list[Finding]:
    """The findings against the models of a lock: by the policy, or because they have changed."""
    return [finding for entry in lock.models for finding in _check_entry(entry, lock, policy)]


def _check(source: str, policy: Policy) -> list[Finding]:
    try:
        return judge_model(examine(source), policy)
    except CheckpointError as error:
        return [_unreachable(source, error)]


def _unreachable(name: str, error: CheckpointError) -> Finding:
    said = str(error)
    return Finding(name, "unreachable", said.removeprefix(f"{name}: "), "expected a model that can be looked at")


def examine(source: str) -> Candidate:
    """The facts about a model without its weights.

    Raises:
        CheckpointError: If it cannot be examined.
    """
    if source in BUNDLED_SCRIPTS or Path(source).expanduser().is_dir():
        folder = fetch(source, is_own=True).folder
        sizes = {name: (folder / name).stat().st_size for name in files_read(folder)}
        return Candidate(source, licence=licence_of(folder), files=sizes)
    repo_id, revision = split_revision(source)
    if "/" not in repo_id or os.path.exists(source):
        fetch(source, is_own=True)  # raises the right error
    listing = list_files(repo_id, revision)
    folder = fetch_description(repo_id, listing.commit).folder
    sizes = {name: listing.files[name].size for name in files_loaded(listing)}
    return Candidate(source, repo_id, revision, listing.commit, _with_bases(licence_of(folder), folder), sizes)


def _with_bases(licence: Verdict, folder: Path) -> Verdict:
    """The verdict with the strictest licence among the models that a card says it was made from, if it names any.

    Raises:
        CheckpointError: If one of them is on the hub, but cannot be looked at.
    """
    asked, waiting, found = set[str](), _bases(folder), [licence.base_licence] if licence.base_licence else []
    while waiting and len(asked) < _MOST_BASES:
        base = waiting.pop()
        if base in asked:
            continue
        asked.add(base)
        try:
            place = fetch_description(base, None).folder
        except NotOnHubError:  # what is on the hub but cannot be looked at now is an error: its licence may matter
            continue
        found += licence_of(place).licences
        waiting += _bases(place)
    strict = strictest(map(kind_of, found))
    named = next((name for name in found if kind_of(name) == strict), None)
    return replace(licence, base_licence=named)


def _bases(folder: Path) -> list[str]:
    """The base models that a card names."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    return [name for name in texts_of(read_keys(text, ("base_model",)).get("base_model")) if "/" in name]


def files_loaded(listing: Listing) -> list[str]:
    """The names of the files that loading a repository would read."""
    safe = [name for name in listing.files if is_read(name, SAFETENSORS_FILES)]
    weights = safe or [name for name in listing.files if is_read(name, BIN_FILES)]
    return sorted({name for name in listing.files if is_read(name)} | set(weights))


def _check_entry(entry: LockedModel, lock: Lock, policy: Policy) -> Iterator[Finding]:
    todo = f"{lock.path} holds something else. See what would change: lexel lock --update"
    if entry.commit is None:
        folder = Path(entry.model) if entry.model in BUNDLED_SCRIPTS else lock.path.parent / entry.model
        source = entry.model if entry.model in BUNDLED_SCRIPTS else str(folder)
        try:
            place = fetch(source, is_own=True).folder
            if found := difference(entry, place, files_read(place), is_whole=True):
                yield Finding(entry.model, "lock", found, todo)
            yield from _check(source, policy)
        except CheckpointError as error:
            yield _unreachable(entry.model, error)
        return
    try:
        yield from (Finding(entry.name, "lock", found, todo) for found in _remote_differences(entry))
    except CheckpointError as error:
        yield _unreachable(entry.name, error)
        return
    yield from _check(f"{entry.model}@{entry.commit}", policy)


def _remote_differences(entry: LockedModel) -> Iterator[str]:
    """Differences between the hub and the lock; weights are compared by the hub's checksums."""
    if entry.revision not in (None, entry.commit):
        now = list_files(entry.model, entry.revision).commit
        if now != entry.commit:
            yield f"{entry.revision} stood for the commit {entry.commit}, and now for {now}"
    listing = list_files(entry.model, entry.commit)
    loaded: Mapping[str, int] = {name: listing.files[name].size for name in files_loaded(listing)}
    for name in sorted(loaded.keys() ^ entry.files.keys()):
        yield f"{name} is {'not in the lock' if name in loaded else 'missing on the hub'}"
    for name in sorted(loaded.keys() & entry.files.keys()):
        checksum = listing.files[name].sha256
        if loaded[name] != entry.files[name]["bytes"] or checksum not in (None, entry.files[name]["sha256"]):
            yield f"{name} is another file on the hub"
    folder = fetch_description(entry.model, entry.commit).folder
    if found := difference(entry, folder, description_files(folder), is_whole=False):
        yield found

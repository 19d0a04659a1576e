"""Creates the lock file's entry of a model, and finds what an update would change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.files import files_read
from lexel.checkpoint.source import BUNDLED_SCRIPTS, split_revision
from lexel.errors import LexelError
from lexel.locking.probe import flips, flips_of, probe, read_texts, tokenizer_fingerprint
from lexel.trust.candidate import Candidate
from lexel.trust.judge import judge_model, refuse
from lexel.trust.lock import Lock, LockedModel, describe_files
from lexel.trust.policy import Policy


@dataclass(frozen=True, slots=True)
class Change:
    """The changes of an update of one model.

    Attributes:
        before: The locked model.
        after: The model after the update.
        lines: The differences, one line each; empty if there are none.
    """

    before: LockedModel
    after: LockedModel
    lines: tuple[str, ...]


def lock_model(source: str, *, folder: Path, policy: Policy) -> LockedModel:
    """The lock file's entry of a model; a hub model is downloaded.

    Args:
        source: A hub id (also ``owner/name@revision``), a folder, or the name of a bundled model.
        folder: The folder of the lock file; model folders are relative to it.
        policy: The policy. A revision that can move is allowed, because the lock pins it.

    Raises:
        PolicyError: If the policy rejects the model.
        CheckpointError: If it cannot be used.
    """
    checkpoint = open_checkpoint(source, is_own=True)
    place = checkpoint.source
    files = describe_files(place.folder, files_read(place.folder))
    revision = None if place.repo_id is None else split_revision(source)[1] or "main"
    sizes = {name: file["bytes"] for name, file in files.items()}
    candidate = Candidate(source, place.repo_id, revision, place.commit, checkpoint.card, sizes)
    refuse(finding for finding in judge_model(candidate, policy) if finding.rule != "pinned")
    return LockedModel(
        model=place.repo_id or (source if source in BUNDLED_SCRIPTS else _path_from(folder, place.folder)),
        revision=revision,
        commit=place.commit,
        files=files,
        licence={"name": checkpoint.card.licence, "kind": checkpoint.card.kind},
        heads=_heads(checkpoint),
        tokenizer=tokenizer_fingerprint(checkpoint),
        probe=probe(checkpoint),
    )


def update(lock: Lock, *, policy: Policy, texts: Sequence[str] = ()) -> list[Change]:
    """The changes if every model were locked again.

    Args:
        lock: The lock file.
        policy: The policy.
        texts: Your own texts, to see how their results change.

    Raises:
        CheckpointError: If a model is no longer available.
    """
    return [_change(entry, lock, policy, texts) for entry in lock.models]


def _change(entry: LockedModel, lock: Lock, policy: Policy, texts: Sequence[str]) -> Change:
    source = entry.name if entry.commit or entry.model in BUNDLED_SCRIPTS else str(lock.path.parent / entry.model)
    after = replace(lock_model(source, folder=lock.path.parent, policy=policy), model=entry.model)
    return Change(entry, after, tuple(_differences(entry, after, texts)))


def _differences(before: LockedModel, after: LockedModel, texts: Sequence[str]) -> list[str]:
    lines = []
    if before.commit != after.commit:
        lines.append(f"commit: {before.commit} -> {after.commit}")
    for name in sorted(before.files.keys() | after.files.keys()):
        old, new = before.files.get(name), after.files.get(name)
        if old != new:
            lines.append(f"file {name}: {_sized(old)} -> {_sized(new)}")
    if before.licence != after.licence:
        lines.append(f"licence: {_licence(before)} -> {_licence(after)}")
    lines += [f"head {line}" for line in _head_changes(before.heads, after.heads)]
    if before.tokenizer != after.tokenizer:
        lines.append("tokenizer: splits the fixed texts differently")
    changed = flips(before.probe, after.probe)
    if changed:
        lines += [f"probe: {len(changed)} texts have other results", *(f"  {line}" for line in changed)]
    elif before.probe.get("said") != after.probe.get("said"):
        lines.append("probe: the same decisions, with other scores")
    return lines + (_own_texts(before, after, texts) if texts and before.files != after.files else [])


def _own_texts(before: LockedModel, after: LockedModel, texts: Sequence[str]) -> list[str]:
    """How the results of both revisions differ on the user's own texts."""
    if before.commit is None:
        return ["your text: the folder that was locked is no longer there to compare with"]
    try:
        old, new = (open_checkpoint(f"{each.model}@{each.commit}", is_own=True) for each in (before, after))
    except LexelError as error:
        return [f"your text: not compared: {error}"]
    (kind, old_said), (new_kind, new_said) = read_texts(old, texts), read_texts(new, texts)
    if kind != new_kind:
        return [f"your text: {kind} before, {new_kind} now"]
    changed = flips_of(kind, texts, old_said, new_said)
    said = f"your text: {len(changed)} of {len(texts)} records have other results"
    return [said, *(f"  {line}" for line in changed)]


def _head_changes(before: Any, after: Any) -> list[str]:
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            lines.append(f"{name}: {'new' if old is None else 'gone'}")
        elif old["labels"] != new["labels"]:
            gone = [f"-{label}" for label in old["labels"] if label not in new["labels"]]
            come = [f"+{label}" for label in new["labels"] if label not in old["labels"]]
            lines.append(f"{name}: labels {' '.join(gone + come) or 'in another order'}")
        elif old != new:
            lines.append(f"{name}: {old['task']} in {old['scheme']} -> {new['task']} in {new['scheme']}")
    return lines


def _heads(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        head.name: {"task": head.task, "scheme": head.scheme, "labels": list(head.labels)}
        for head in checkpoint.heads.values()
    }


def _sized(file: Any) -> str:
    return "none" if file is None else f"{file['bytes']:,} bytes, {file['sha256'][:12]}"


def _licence(entry: LockedModel) -> str:
    return f"{entry.licence.get('name')} ({entry.licence.get('kind')})"


def _path_from(folder: Path, place: Path) -> str:
    return Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()

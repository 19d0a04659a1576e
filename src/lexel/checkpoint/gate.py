"""Checks every model before loading: a model that the project's policy or lock refuses is not loaded.

A model is checked in three steps, so that refused models are not downloaded: its name, then its card and config, then
all its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lexel.checkpoint.card import read_card
from lexel.checkpoint.files import description_files, files_read
from lexel.errors import CheckpointError, PolicyError
from lexel.jsonfile import read_object
from lexel.licences import Verdict
from lexel.trust.candidate import Candidate
from lexel.trust.judge import judge_model, refuse
from lexel.trust.lock import Lock, LockedModel, describe_files, difference, is_demanded, lock_path, read_lock
from lexel.trust.policy import NO_POLICY, Policy, current_policy


def open_gate() -> Gate | None:
    """The gate for the working directory; ``None`` without a policy and a lock.

    Raises:
        PolicyError: If the policy or the lock file cannot be read.
    """
    policy = current_policy()
    lock = read_lock(lock_path()) if policy.locked or is_demanded() else None
    return None if policy is NO_POLICY and lock is None else Gate(policy, lock)


@dataclass(frozen=True, slots=True)
class Gate:
    """The checks of each model.

    Attributes:
        policy: The policy.
        lock: The only allowed models; ``None``: any.
    """

    policy: Policy
    lock: Lock | None = None

    def admit_name(self, name: str, repo_id: str, revision: str | None) -> None:
        """Check a hub model before anything is downloaded.

        Raises:
            PolicyError: If it is refused.
        """
        self._judge(Candidate(name, repo_id, revision))
        if self.lock is not None:
            self._entry(name, self.lock.find(repo_id, revision))

    def admit_description(
        self, name: str, folder: Path, *, repo_id: str, revision: str | None, commit: str | None
    ) -> None:
        """Check a hub model before its weights are downloaded.

        Raises:
            PolicyError: If it is refused.
        """
        self._judge(Candidate(name, repo_id, revision, commit, licence_of(folder)))
        if self.lock is not None:
            entry = self._entry(name, self.lock.find(repo_id, revision))
            if commit != entry.commit:
                raise self._refusal(
                    name,
                    f"stands for the commit {commit}, and did for {entry.commit} when it was locked",
                    f"Name the locked commit, {repo_id}@{entry.commit}, or see what would change: lexel lock --update",
                )
            self._check_files(name, entry, folder, description_files(folder), is_whole=False)

    def admit(
        self,
        name: str,
        folder: Path,
        *,
        repo_id: str | None = None,
        revision: str | None = None,
        commit: str | None = None,
    ) -> None:
        """Check a complete model.

        Raises:
            PolicyError: If it is refused.
        """
        names = files_read(folder)
        sizes = {file: (folder / file).stat().st_size for file in names}
        self._judge(Candidate(name, repo_id, revision, commit, licence_of(folder), sizes))
        if self.lock is not None:
            found = self.lock.find(repo_id or name, revision) or self.lock.find_folder(folder)
            if found is None and repo_id is None:  # a copy, or an unpacked bundle
                found = self.lock.find_files(describe_files(folder, names))
            self._check_files(name, self._entry(name, found), folder, names, is_whole=True)

    def _judge(self, candidate: Candidate) -> None:
        """Refuse models that the policy does not allow; a model in the lock needs no commit in its name."""
        findings = judge_model(candidate, self.policy)
        refuse(finding for finding in findings if self.lock is None or finding.rule != "pinned")

    def _entry(self, name: str, found: LockedModel | None) -> LockedModel:
        if found is None:
            raise self._refusal(name, "is not in the lock", f"Add it with lexel lock {name}")
        return found

    def _check_files(
        self, name: str, entry: LockedModel, folder: Path, names: Sequence[str], *, is_whole: bool
    ) -> None:
        if found := difference(entry, folder, names, is_whole=is_whole):
            raise self._refusal(name, found, "Download it again, or see what would change: lexel lock --update")

    def _refusal(self, name: str, found: str, todo: str) -> PolicyError:
        path = None if self.lock is None else self.lock.path
        return PolicyError(f"{name}: {found}; {path} allows what it holds and nothing else. {todo}")


def licence_of(folder: Path) -> Verdict:
    """The licence of a folder, from its card, its licence file and its ``lexel.json``."""
    root = folder.parent if (folder.parent / "modules.json").is_file() and folder.name[:1].isdigit() else folder
    base = None
    if (folder / "lexel.json").is_file():
        try:
            base = read_object(folder / "lexel.json").get("base")
        except CheckpointError:  # loading reports it
            base = None
    return read_card(root, base=base if isinstance(base, dict) else None)

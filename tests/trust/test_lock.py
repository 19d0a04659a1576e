"""A lock file: made, changed in every way, and what it then refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lexel
from lexel.checkpoint.files import files_read
from lexel.cli.app import app
from lexel.errors import CheckpointError, PolicyError
from lexel.locking.make import lock_model, update
from lexel.trust.lock import Lock, describe_files, read_lock, write_lock
from lexel.trust.policy import NO_POLICY, Policy
from tests.builders import ENTITIES, build_tagger
from tests.checkpoint.hub_server import Hub, Repository

from .conftest import NAME, NEW, OLD, files_of

MOVED = "c" * 40


@pytest.fixture
def locked(hub: Hub, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose lock holds the hub's model at main, and which loads nothing else."""
    path = project / "lexel.lock"
    write_lock(Lock(path).with_models([lock_model(NAME, folder=project, policy=NO_POLICY)]))
    monkeypatch.setenv("LEXEL_LOCKED", "1")
    hub.requests.clear()
    return path


def refusal(source: str | Path) -> str:
    with pytest.raises(PolicyError) as error:
        lexel.open_checkpoint(source)
    assert "\n" not in str(error.value)
    return str(error.value)


# What it holds -------------------------------------------------------------------------------------------------------


def test_it_holds_commit_files_licence_labels_tokenizer_and_probe(locked: Path, model: Path) -> None:
    (entry,) = read_lock(locked).models
    assert (entry.model, entry.revision, entry.commit) == (NAME, "main", NEW)
    assert entry.files == describe_files(model, files_read(model))
    assert entry.licence == {"name": "mit", "kind": "permissive"}
    assert entry.heads["entities"]["labels"] == list(ENTITIES)
    assert len(entry.probe["said"]) == 20
    assert any(entry.probe["said"])
    assert len(entry.tokenizer or "") == 64


def test_a_locked_model_loads_by_its_revision_and_by_its_commit(locked: Path) -> None:
    assert lexel.open_checkpoint(NAME).source.commit == NEW
    assert lexel.open_checkpoint(f"{NAME}@{NEW}").source.commit == NEW


def test_a_folder_is_named_from_the_locks_folder(project: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = lock_model(str(model), folder=project, policy=NO_POLICY)
    assert entry.model == "../model"
    write_lock(Lock(project / "lexel.lock", (entry,)))
    monkeypatch.setenv("LEXEL_LOCKED", "1")
    assert lexel.open_checkpoint(model).source.folder == model


def test_a_policy_may_demand_the_lock(locked: Path, monkeypatch: pytest.MonkeyPatch, write_policy) -> None:
    monkeypatch.delenv("LEXEL_LOCKED")
    write_policy("locked = true\npinned = true")
    assert lexel.open_checkpoint(NAME).source.commit == NEW
    assert "is not in the lock" in refusal("zh")


def test_without_a_lock_file_nothing_is_loaded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEXEL_LOCKED", "1")
    assert "no such lock file" in refusal("zh")


# What it refuses -----------------------------------------------------------------------------------------------------


def test_what_is_not_in_it_is_refused_before_any_request(locked: Path, hub: Hub) -> None:
    hub.repositories["other/model"] = hub.repositories[NAME]
    assert "other/model: is not in the lock" in refusal("other/model")
    assert f"{NAME}@v1: is not in the lock" in refusal(f"{NAME}@v1")
    assert hub.requests == []


def test_a_moved_revision_is_refused_before_the_weights(locked: Path, hub: Hub) -> None:
    hub.repositories[NAME].revisions["main"] = MOVED
    said = refusal(NAME)
    assert f"stands for the commit {MOVED}, and did for {NEW} when it was locked" in said
    assert f"{NAME}@{NEW}" in said
    assert not [request for request in hub.requests if "safetensors" in request]


def test_a_moved_tag_is_refused(hub: Hub, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock(Lock(project / "lexel.lock", (lock_model(f"{NAME}@v1", folder=project, policy=NO_POLICY),)))
    monkeypatch.setenv("LEXEL_LOCKED", "1")
    hub.repositories[NAME].revisions["v1"] = MOVED
    assert f"stands for the commit {MOVED}, and did for {OLD}" in refusal(f"{NAME}@v1")


def test_a_commit_that_a_forced_push_removed_is_said(locked: Path, hub: Hub, monkeypatch, tmp_path) -> None:
    hub.repositories[NAME].revisions = {"main": MOVED}
    monkeypatch.setenv("LEXEL_CACHE", str(tmp_path / "another"))
    assert "stands for the commit" in refusal(NAME)
    with pytest.raises(CheckpointError, match=f"no revision '{NEW}'"):
        lexel.open_checkpoint(f"{NAME}@{NEW}")


def test_a_file_that_the_hub_changed_under_its_commit_is_refused(locked: Path, hub: Hub, monkeypatch, tmp_path) -> None:
    files = hub.repositories[NAME].files
    files["model.safetensors"] = files["model.safetensors"][:-1] + b"!"
    monkeypatch.setenv("LEXEL_CACHE", str(tmp_path / "another"))
    assert "model.safetensors has the SHA-256" in refusal(NAME)


def test_every_changed_byte_of_every_file_is_refused(project: Path, model: Path, monkeypatch) -> None:
    write_lock(Lock(project / "lexel.lock", (lock_model(str(model), folder=project, policy=NO_POLICY),)))
    monkeypatch.setenv("LEXEL_LOCKED", "1")
    from lexel.checkpoint.gate import open_gate

    gate = open_gate()
    assert gate is not None
    gate.admit(str(model), model)
    for name in files_read(model):
        path = model / name
        whole = path.read_bytes()
        for place in {*range(min(len(whole), 300)), *range(0, len(whole), max(1, len(whole) // 100)), len(whole) - 1}:
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(CheckpointError):
                gate.admit(str(model), model)
        path.write_bytes(whole)
    gate.admit(str(model), model)


@pytest.mark.parametrize("change", ["added", "removed", "longer"])
def test_a_folder_with_other_files_is_refused(project: Path, model: Path, monkeypatch, change: str) -> None:
    write_lock(Lock(project / "lexel.lock", (lock_model(str(model), folder=project, policy=NO_POLICY),)))
    monkeypatch.setenv("LEXEL_LOCKED", "1")
    if change == "added":
        (model / "special_tokens_map.json").write_text("{}")
    elif change == "removed":
        (model / "README.md").unlink()
    else:
        (model / "README.md").write_text("---\nlicense: mit\n---\nand more")
    expected = {"added": "is not in the lock", "removed": "README.md is missing", "longer": "bytes, the lock says"}
    assert expected[change] in refusal(model)


def test_every_changed_byte_of_the_lock_itself_is_refused(locked: Path) -> None:
    whole = locked.read_bytes()
    for place in range(len(whole)):
        locked.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError):
            read_lock(locked)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 2, "models": []}', "a lock of version 2; this version of Lexel reads 1"),
        ('{"models": []}', "a lock of version None"),
        ('{"version": 1, "models": [{}]}', "no lock that Lexel wrote"),
        ('{"version": 1, "models": 3}', "no lock that Lexel wrote"),
        ('{"version": 1, "models": []}', "was changed since it was written"),
        ("[]", "expected one JSON object"),
        ("<<<<<<< HEAD", "not JSON"),
    ],
)
def test_what_is_no_lock_is_refused(locked: Path, text: str, said: str) -> None:
    locked.write_text(text)
    assert said in refusal(NAME)


def test_the_option_refuses_as_the_variable_does(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEXEL_LOCKED", "")  # given back after the test
    for arguments in (["tag", "-m", "zh"], ["embed", "-m", "zh"], ["serve", "-m", "zh", "--port", "0"]):
        result = CliRunner().invoke(app, [*arguments, "--locked"], input="x\n")
        assert result.exit_code == 1
        assert "zh: is not in the lock" in result.stderr


# Updates -------------------------------------------------------------------------------------------------------------


def test_an_update_shows_commits_files_labels_and_flips(locked: Path, hub: Hub, tmp_path: Path) -> None:
    other = build_tagger(tmp_path / "other", heads={"entities": ("O", "B-GPE", "I-GPE", "B-LOC", "I-LOC")}, seed=9)
    (other / "README.md").write_text("---\nlicense: gpl-3.0\n---\n")
    first = hub.repositories[NAME]
    hub.repositories[NAME] = Repository(files_of(other), {"main": MOVED})
    (change,) = update(read_lock(locked), policy=NO_POLICY)
    said = "\n".join(change.lines)
    assert f"commit: {NEW} -> {MOVED}" in said
    assert "file model.safetensors:" in said
    assert "licence: mit (permissive) -> gpl-3.0 (copyleft)" in said
    assert "head entities: labels -B-PER -I-PER +B-GPE +I-GPE" in said
    assert "texts have other results" in said
    assert " -> GPE" in said
    assert first.files


def test_an_update_compares_both_revisions_on_your_own_text(locked: Path, hub: Hub, tmp_path: Path) -> None:
    other = build_tagger(tmp_path / "other", heads={"entities": ENTITIES}, seed=9)
    hub.repositories[NAME] = Repository(files_of(other), {"main": MOVED})
    (change,) = update(read_lock(locked), policy=NO_POLICY, texts=["王小明 went to new york", "the"])
    assert any(line.startswith("your text: ") and "of 2 records" in line for line in change.lines)


def test_an_update_without_a_change_says_nothing(locked: Path) -> None:
    (change,) = update(read_lock(locked), policy=NO_POLICY)
    assert change.lines == ()
    assert change.before == change.after


def test_the_command_locks_updates_and_writes_only_on_request(hub: Hub, project: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["lock", "-q", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    run(NAME)
    before = (project / "lexel.lock").read_bytes()
    hub.repositories[NAME].revisions["main"] = MOVED
    assert f"commit: {NEW} -> {MOVED}" in run("--update")
    assert (project / "lexel.lock").read_bytes() == before
    run("--update", "--write")
    assert read_lock(project / "lexel.lock").models[0].commit == MOVED


def test_check_lock_says_what_moved(locked: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEXEL_LOCKED")

    def found() -> list[str]:
        result = CliRunner().invoke(app, ["check", "-q", "--lock", "--to", "json"])
        return [finding["found"] for finding in json.loads(result.stdout)["findings"]]

    assert found() == []
    files = hub.repositories[NAME].files
    files["model.safetensors"] = files["model.safetensors"] + b"!"
    hub.repositories[NAME].revisions |= {"main": MOVED, "old": NEW}
    assert found() == [
        f"main stood for the commit {NEW}, and now for {MOVED}",
        "model.safetensors is another file on the hub",
    ]


def test_a_policy_refuses_to_lock(hub: Hub, project: Path) -> None:
    with pytest.raises(PolicyError, match="its licence is mit"):
        lock_model(NAME, folder=project, policy=Policy("p", licences=("apache-2.0",), pinned=True))


def test_a_copy_with_the_same_files_is_the_locked_model(project: Path, model: Path, monkeypatch) -> None:
    write_lock(Lock(project / "lexel.lock", (lock_model(str(model), folder=project, policy=NO_POLICY),)))
    shutil.copytree(model, project / "copy")
    monkeypatch.setenv("LEXEL_LOCKED", "1")
    assert lexel.open_checkpoint(project / "copy").source.folder == project / "copy"

"""From a folder, a hub id or nothing to a model folder; the hub is a stand-in on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.source import BUNDLED, bundled_folder, bundled_name, bundled_names, fetch
from lexel.errors import CheckpointError
from tests.builders import POS, WORDS, build_tagger

from .conftest import BERT, FolderBuilder
from .hub_server import Hub, Repository, served

OLD, NEW = "a" * 40, "b" * 40
FILES = {
    "config.json": json.dumps(BERT).encode(),
    "vocab.txt": b"[PAD]\n",
    "README.md": b"---\nlicense: gpl-3.0\n---\n",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"weights again",
    "tf_model.h5": b"for another framework",
    "modeling_custom.py": b"print('code in a checkpoint')",
    "onnx/model.onnx": b"exported",
}


def repository(**files: bytes | None) -> Repository:
    kept = {**FILES, **{name.replace("__", "."): content for name, content in files.items()}}
    return Repository(
        {name: content for name, content in kept.items() if content is not None}, {"main": NEW, "v1": OLD}
    )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with one model, an empty cache, and no token."""
    with served(Hub({"owner/model": repository()}), monkeypatch, tmp_path / "cache") as hub:
        yield hub


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def refuse_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the hub library at a port of this machine where nobody listens."""
    import huggingface_hub.constants as constants

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)


def message_of(source: str | Path, *, revision: str | None = None) -> str:
    with pytest.raises(CheckpointError) as error:
        fetch(source, revision=revision)
    assert "\n" not in str(error.value)
    return str(error.value)


def refuse_looking_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = os.lstat

    def lstat(path: Any, **options: Any) -> os.stat_result:
        if Path(path).is_relative_to(folder) and Path(path) != folder:
            raise PermissionError(13, "Permission denied", str(path))
        return there(path, **options)

    monkeypatch.setattr(os, "lstat", lstat)


# Folders -------------------------------------------------------------------------------------------------------------


def test_folder_is_taken_as_it_is(build_folder: FolderBuilder) -> None:
    folder = build_folder()
    found = fetch(folder)
    assert (found.folder, found.repo_id, found.commit, found.pin) == (folder, None, None, None)


def test_folder_wins_over_a_hub_id_of_the_same_name(build_folder, monkeypatch, tmp_path) -> None:
    build_folder(name="owner_model")
    monkeypatch.chdir(tmp_path)
    assert fetch("owner_model").repo_id is None


def test_nothing_and_its_name_are_the_bundled_model(build_folder, monkeypatch) -> None:
    folder = build_folder(name=BUNDLED)
    monkeypatch.setattr("lexel.checkpoint.source.bundled_folder", lambda name="zh": folder)
    assert fetch(None) == fetch(BUNDLED)
    assert fetch(None).folder == folder


def test_bundled_model_lies_in_the_package() -> None:
    assert fetch(None).folder == bundled_folder()
    assert bundled_folder().parts[-3:] == ("lexel", "models", "zh")


def test_bundled_model_opens_with_words_tags_and_entities() -> None:
    checkpoint = open_checkpoint()
    weights, hidden = checkpoint.open_weights(), checkpoint.config.hidden_size
    assert list(checkpoint.heads) == ["words", "pos", "entities"]
    assert checkpoint.description.startswith("model: zh, bundled with Lexel (bert)\n")
    for head in checkpoint.heads.values():
        weights.linear(head.prefix, (len(head.labels), hidden))


def test_bundled_model_has_no_revisions() -> None:
    with pytest.raises(CheckpointError, match="the bundled model has no revisions, 'main' was given"):
        fetch(None, revision="main")


def test_folder_without_a_config_is_no_model(tmp_path: Path) -> None:
    assert f"{tmp_path}: no config.json; expected a model folder" in message_of(tmp_path)


@pytest.mark.parametrize("name", ["", "deeper/model"])
def test_a_folder_that_may_not_be_looked_into_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    refuse_looking_into(tmp_path, monkeypatch)
    said = "cannot be opened (Permission denied); expected a model folder that you may read"
    assert message_of(tmp_path / name) == f"{tmp_path / name}: {said}"


@pytest.mark.parametrize(
    "name",
    ["./nowhere", "/nowhere/at/all", "a/b/c", "~no one/x", "~nobodyhere/x", "two words", "", "a\\b", "a/b@", "@v1"],
)
def test_what_is_neither_folder_nor_id_is_refused(name: str) -> None:
    assert "no such folder, and not a hub id" in message_of(name)


def test_path_object_is_never_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "owner/model: no such folder" in message_of(Path("owner/model"))


def test_weight_file_in_place_of_its_folder_is_refused(build_folder: FolderBuilder) -> None:
    path = build_folder(files={"x": ""}) / "x"
    assert f"is a file; expected the model folder it lies in, {str(path.parent)!r}" in message_of(path)


def test_folder_has_no_revisions(build_folder: FolderBuilder) -> None:
    assert "has no revisions, 'main' was given" in message_of(build_folder(), revision="main")


# The hub -------------------------------------------------------------------------------------------------------------


def test_main_branch_is_resolved_to_a_commit_with_the_line_that_pins_it(hub: Hub) -> None:
    found = fetch("owner/model")
    assert (found.repo_id, found.commit) == ("owner/model", NEW)
    assert found.pin == f"owner/model@{NEW}"


@pytest.mark.parametrize("revision", ["v1", OLD])
def test_revision_is_resolved_to_its_commit(hub: Hub, revision: str) -> None:
    assert fetch("owner/model", revision=revision).commit == OLD


@pytest.mark.parametrize("revision", ["v1", OLD])
def test_revision_may_stand_behind_the_id(hub: Hub, revision: str) -> None:
    assert fetch(f"owner/model@{revision}") == fetch("owner/model", revision=revision)


def test_what_pins_a_commit_gives_it(hub: Hub) -> None:
    old = fetch("owner/model", revision="v1")
    assert old.pin is not None
    assert fetch(old.pin) == old


def test_revision_behind_the_id_and_another_beside_it_are_refused(hub: Hub) -> None:
    message = message_of("owner/model@v1", revision="main")
    assert "owner/model@v1: names its revision, and 'main' was given as well" in message
    assert hub.requests == []


def test_each_part_of_a_tagger_has_a_revision_of_its_own(hub: Hub, tmp_path: Path) -> None:
    for name, labels, revision in (("words", WORDS, "v1"), ("pos", POS, "v2")):
        folder = build_tagger(tmp_path / name, heads={name: labels})
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        hub.repositories[f"owner/{name}"] = Repository(files, {"main": NEW, revision: OLD})
    tagger = lexel.load(words="owner/words@v1", pos="owner/pos@v2", engine="numpy")
    assert [flow.checkpoint.source.pin for flow in tagger.flows] == [f"owner/words@{OLD}", f"owner/pos@{OLD}"]


def test_folder_may_have_an_at_sign_in_its_name(build_folder, monkeypatch, tmp_path) -> None:
    folder = build_folder(name="model@v1")
    monkeypatch.chdir(tmp_path)
    assert fetch("model@v1").repo_id is None
    assert fetch(folder).folder == folder


def test_only_files_that_lexel_reads_are_downloaded(hub: Hub) -> None:
    folder = fetch("owner/model").folder
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "vocab.txt",
    ]


def test_bin_file_is_downloaded_where_there_is_no_safetensors(hub: Hub) -> None:
    hub.repositories["owner/model"] = repository(model__safetensors=None)
    assert (fetch("owner/model").folder / "pytorch_model.bin").read_bytes() == b"weights again"


def test_downloads_lie_in_lexels_cache_if_one_is_set(hub: Hub, tmp_path: Path) -> None:
    assert fetch("owner/model").folder.is_relative_to(tmp_path / "cache" / "hub")


def test_second_load_downloads_nothing(hub: Hub) -> None:
    fetch("owner/model")
    hub.requests.clear()
    fetch("owner/model")
    assert not [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request]


@pytest.mark.parametrize("revision", [None, "v1", OLD])
@pytest.mark.parametrize("missing", [None, "model.safetensors"])
def test_cached_revision_loads_offline(hub, monkeypatch, revision, missing) -> None:
    hub.repositories["owner/model"].files.pop(missing, None)
    before = fetch("owner/model", revision=revision)
    go_offline(monkeypatch)
    hub.requests.clear()
    assert fetch("owner/model", revision=revision) == before
    assert hub.requests == []


def test_cached_revision_loads_without_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fetch("owner/model")
    refuse_connections(monkeypatch)
    assert fetch("owner/model") == before


def test_revision_that_is_not_cached_says_so_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    go_offline(monkeypatch)
    message = message_of("owner/model")
    assert "owner/model: not in the cache" in message
    assert "HF_HUB_OFFLINE forbids the network" in message


def test_no_network_is_said_with_what_to_do(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_connections(monkeypatch)
    message = message_of("owner/model", revision="v1")
    assert "owner/model@v1: not in the cache, or not complete, and the hub cannot be reached" in message
    assert "Connect once to download it, or pass a folder" in message


@pytest.mark.parametrize("named", ["my-modle", "models/my-modle", "./my-modle"])
def test_a_misspelt_folder_is_named_rightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    go_offline(monkeypatch)
    monkeypatch.chdir(tmp_path)
    meant = Path(named).with_name("my-model")
    meant.mkdir(parents=True)
    (meant / "config.json").write_text("{}")
    assert f"{named}: no such folder; did you mean {str(meant)!r}?" in message_of(named)


def test_missing_revision_is_named(hub: Hub) -> None:
    message = message_of("owner/model", revision="v9")
    assert "owner/model: no revision 'v9'" in message


def test_missing_repository_is_named(hub: Hub) -> None:
    assert "owner/nothing: no such repository on the hub, or a private one" in message_of("owner/nothing")


@pytest.mark.parametrize("token", [None, "hf_made_up"])
def test_gated_repository_says_where_to_ask(hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    hub.repositories["owner/model"].gated = True
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    message = message_of("owner/model")
    assert "owner/model: is gated" in message
    assert "https://huggingface.co/owner/model" in message
    assert "HF_TOKEN" in message


@pytest.mark.parametrize(("status", "said"), [(403, "answered 403"), (500, "answered 500"), (429, "answered 429")])
def test_hub_that_answers_with_an_error_is_quoted(hub: Hub, status: int, said: str) -> None:
    hub.repositories["owner/model"].status = status
    assert said in message_of("owner/model")


def test_repository_that_is_no_model_is_refused(hub: Hub) -> None:
    hub.repositories["owner/model"] = repository(config__json=None)
    assert "owner/model: the repository has no config.json" in message_of("owner/model")


def test_nothing_is_printed_while_downloading(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    fetch("owner/model")
    assert capfd.readouterr() == ("", "")


def test_description_says_commit_pin_licence_heads_and_pieces(hub: Hub) -> None:
    lines = open_checkpoint("owner/model").description.splitlines()
    assert lines == [
        "model: owner/model (bert)",
        f"commit: {NEW}; to pin it: owner/model@{NEW}",
        "licence gpl-3.0: copyleft: sharing the model or works based on it has conditions",
        "head words: words in BI, 2 labels",
        "pieces: the tokenizer's",
    ]


def test_environment_alone_sets_endpoint_cache_and_offline_mode(hub: Hub, tmp_path: Path) -> None:
    code = "from lexel.checkpoint.source import fetch; print(fetch('owner/model').commit)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LEXEL_"))}
    environment = {**clean, "HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.endpoint}

    def commit(**more: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], env={**environment, **more}, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert commit() == NEW
    assert commit(HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9") == NEW
    assert (tmp_path / "home" / "hub").is_dir()


def test_package_loads_without_the_hub_library() -> None:
    code = "import sys, lexel.checkpoint; print('huggingface_hub' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


def test_bundled_models_are_found_by_name(build_folder, monkeypatch) -> None:
    folders = {"zh": build_folder(name="a"), "en": build_folder(name="b")}
    monkeypatch.setattr("lexel.checkpoint.source.bundled_folder", lambda name="zh": folders.get(name, Path("none")))
    assert fetch("en").folder == folders["en"]
    assert [bundled_name(folder) for folder in (*folders.values(), Path("other"))] == ["zh", "en", None]


def test_a_bundled_model_that_is_not_there_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("lexel.checkpoint.source.bundled_folder", lambda name="zh": tmp_path / name)
    with pytest.raises(CheckpointError, match="en: a bundled model that is not in this installation; found no bundled"):
        fetch("en")


def test_a_misspelt_name_of_a_bundled_model_is_corrected(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    go_offline(monkeypatch)
    assert "Did you mean 'zh-fast', which is bundled?" in message_of("zhfast")


def test_a_name_without_an_owner_names_the_bundled_models(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    go_offline(monkeypatch)
    assert message_of("german").endswith(f"Bundled: {', '.join(bundled_names())}")

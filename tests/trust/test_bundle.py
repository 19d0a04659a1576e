"""A bundle: packed, carried to a machine without a network, loaded by its path, and refused when it was changed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lexel
from lexel.checkpoint.bundle import requirements
from lexel.cli.app import app
from lexel.errors import CheckpointError
from tests.checkpoint.hub_server import Hub

from .conftest import NAME


def pack(model: str | Path, out: str) -> Path:
    result = CliRunner().invoke(app, ["bundle", "-q", str(model), out])
    assert result.exit_code == 0, result.stderr
    return Path(out).absolute()


@pytest.fixture
def bundle(project: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of the tiny model, and an empty cache."""
    monkeypatch.setenv("LEXEL_CACHE", str(project / "cache"))
    return pack(model, "model.tar")


def test_it_holds_the_model_its_lock_and_the_packages(bundle: Path) -> None:
    with tarfile.open(bundle) as archive:
        names = archive.getnames()
        listed = archive.extractfile("requirements.txt").read().decode().split()  # type: ignore[union-attr]
    assert {"lexel.lock", "requirements.txt", "model/config.json", "model/model.safetensors"} <= set(names)
    assert listed == requirements()
    assert any(line.startswith("tokenizers==") for line in listed)


def test_the_same_model_gives_the_same_bytes(bundle: Path, model: Path) -> None:
    assert pack(model, "again.tar").read_bytes() == bundle.read_bytes()


def test_it_is_loaded_by_its_path(bundle: Path, model: Path) -> None:
    text = "王小明 went to new york"
    assert lexel.load(bundle, engine="numpy")(text) == lexel.load(model, engine="numpy")(text)


def test_a_hub_model_is_packed_too(hub: Hub, project: Path) -> None:
    assert lexel.open_checkpoint(pack(NAME, "hub.tar")).heads.keys() == {"entities"}


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rn", "true"], check=False).returncode != 0,
    reason="no network namespaces here",
)
def test_it_works_in_a_namespace_without_a_network(bundle: Path, project: Path) -> None:
    code = "import sys; from lexel.cli.main import run; sys.exit(run())"
    command = ["unshare", "-rn", sys.executable, "-c", code, "tag", "-m", str(bundle), "--to", "jsonl"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("LEXEL_", "HF_"))}
    variables |= {"LEXEL_CACHE": str(project / "there"), "LEXEL_ENGINE": "numpy"}
    ran = subprocess.run(command, input="in new york\n", capture_output=True, text=True, env=variables, check=False)
    assert ran.returncode == 0, ran.stderr
    assert '"text":"in new york"' in ran.stdout
    assert list((project / "there").rglob("model.safetensors"))


def test_one_that_was_changed_is_refused(bundle: Path) -> None:
    whole = bundle.read_bytes()
    with tarfile.open(bundle) as archive:
        member = archive.getmember("model/model.safetensors")
    place = member.offset_data + member.size - 1
    bundle.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(CheckpointError, match=r"model\.safetensors has the SHA-256"):
        lexel.open_checkpoint(bundle)


def test_what_was_unpacked_and_then_changed_is_refused(bundle: Path, project: Path) -> None:
    folder = lexel.open_checkpoint(bundle).source.folder
    (folder / "vocab.txt").write_text("changed")
    with pytest.raises(CheckpointError, match="expected what its lock holds"):
        lexel.open_checkpoint(bundle)


def _link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"


def _rename(name: str) -> Callable[[tarfile.TarInfo], None]:
    def change(member: tarfile.TarInfo) -> None:
        member.name = name

    return change


@pytest.mark.parametrize(
    "change", [_rename("../outside"), _rename("/tmp/outside"), _rename("a/../../outside"), _rename("a\\b"), _link]
)
def test_a_hostile_archive_is_refused_and_writes_nothing(project: Path, monkeypatch, change) -> None:
    monkeypatch.setenv("LEXEL_CACHE", str(project / "cache"))
    with tarfile.open("evil.tar", "w") as archive:
        for name in ("lexel.lock", "x"):
            member = tarfile.TarInfo(name)
            if name == "x":
                change(member)
            member.size = 1 if member.isreg() else 0
            archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(CheckpointError, match="is not a plain file; expected a bundle"):
        lexel.open_checkpoint("evil.tar")
    assert not list((project / "cache").rglob("*outside*"))
    assert not [path for path in (project / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("data", [b"", b"no archive at all" * 100])
def test_what_is_no_archive_is_refused(project: Path, data: bytes, monkeypatch) -> None:
    monkeypatch.setenv("LEXEL_CACHE", str(project / "cache"))
    Path("x.tar").write_bytes(data)
    with pytest.raises(CheckpointError, match="expected one that lexel bundle wrote"):
        lexel.open_checkpoint("x.tar")


def test_one_that_is_not_there_is_said(project: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.tar: no such bundle"):
        lexel.open_checkpoint("nowhere.tar")


def test_nothing_is_overwritten(bundle: Path, model: Path) -> None:
    assert CliRunner().invoke(app, ["bundle", str(model), str(bundle)]).exit_code == 1

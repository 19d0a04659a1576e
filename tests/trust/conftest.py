"""A hub on this machine with one model whose files are real, and a project folder to work in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.builders import ENTITIES, build_tagger
from tests.checkpoint.hub_server import Hub, Repository, served

OLD, NEW = "a" * 40, "b" * 40
NAME = "owner/model"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the process works."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("LEXEL_POLICY", "LEXEL_LOCK", "LEXEL_LOCKED", "LEXEL_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEXEL_ENGINE", "numpy")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a tiny model of entities under a permissive licence."""
    folder = build_tagger(tmp_path / "model", heads={"entities": ENTITIES}, seed=2)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    return folder


@pytest.fixture
def hub(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has this model."""
    repository = Repository(files_of(model), {"main": NEW, "v1": OLD})
    with served(Hub({NAME: repository}), monkeypatch, tmp_path / "cache") as hub:
        yield hub


@pytest.fixture
def write_policy(project: Path) -> Callable[[str], Path]:
    """Write the project's policy."""

    def write(text: str) -> Path:
        path = project / "lexel.toml"
        path.write_text(f"[policy]\n{text}\n", encoding="utf-8")
        return path

    return write

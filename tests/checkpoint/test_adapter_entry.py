"""The entry ``adapter`` of ``lexel.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.adapter import AdapterConfig
from lexel.errors import CheckpointError
from tests.builders import ENTITIES, WORDS, build_tagger


def folder_with(path: Path, entry: Any) -> Path:
    """A folder whose ``lexel.json`` has an entry ``adapter``."""
    folder = build_tagger(path, heads={"words": WORDS, "entities": ENTITIES})
    values = json.loads((folder / "lexel.json").read_text(encoding="utf-8"))
    (folder / "lexel.json").write_text(json.dumps({**values, "adapter": entry}), encoding="utf-8")
    return folder


def test_it_says_how_wide_the_adapters_are_and_what_is_in_them(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "model", {"size": 4, "activation": "relu"})
    assert open_checkpoint(folder).adapter == AdapterConfig(4, "relu")


def test_a_folder_without_it_has_no_adapters(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS, "entities": ENTITIES})
    assert open_checkpoint(folder).adapter is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (7, "is 7; expected an object"),
        ({"size": 4}, "expected an object"),
        ({"size": 0, "activation": "relu"}, "size is 0"),
        ({"size": True, "activation": "relu"}, "size is True"),
        ({"size": 4, "activation": "mish"}, "'mish'; expected one of gelu"),
        ({"size": 4, "activation": "relu", "kind": "x"}, "expected an object"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, entry: Any, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        open_checkpoint(folder_with(tmp_path / "model", entry))

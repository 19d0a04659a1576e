"""A disk that is full while a card is written: the earlier card and its facts stay."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lexel.cards import write_card
from lexel.cards.facts import ANSWERS, keep
from lexel.errors import CheckpointError
from tests.builders import WORDS, build_tagger


def full_for(name: str) -> Callable[..., None]:
    """In place of ``Path.replace``: no room for a file of this name."""
    replace = Path.replace

    def refuse(self: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(self, target)

    return refuse


def test_answers_that_find_no_room_leave_the_earlier_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_tagger(tmp_path / "model", heads={"words": WORDS})
    write_card(folder, answers={"licence": "mit"}, measure=False)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(Path, "replace", full_for(ANSWERS))
    with pytest.raises(CheckpointError, match=r"card\.json: cannot be written \(No space left on device\); the"):
        write_card(folder, answers={"licence": "apache-2.0"}, measure=False)
    assert sorted(before) == sorted(path.name for path in folder.iterdir())
    assert (folder / ANSWERS).read_bytes() == before[ANSWERS]


def test_a_file_of_facts_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    keep(path, {"a": 1})
    with pytest.raises(ValueError, match="surrogates not allowed"):
        keep(path, {"a": "\ud800"})
    assert path.read_text(encoding="utf-8") == '{\n  "a": 1\n}\n'
    assert [each.name for each in tmp_path.iterdir()] == ["evaluation.json"]

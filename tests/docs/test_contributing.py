"""The contributing page names files that are there, and few of them for each question."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (.+\?) \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_ten_questions_are_answered() -> None:
    assert len(ROWS) == 10


@pytest.mark.parametrize(("question", "answer"), ROWS)
def test_an_answer_names_one_to_three_places_that_exist(question: str, answer: str) -> None:
    paths = re.findall(r"`(src/[^`]+)`", answer)
    assert 1 <= len(paths) <= 3
    assert [path for path in paths if not (ROOT / path).exists()] == []

"""Small corpora, and jobs on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment, lexel, model

__all__ = ["environment", "lexel", "model"]

Written = Callable[..., Path]


def lines_of(out: Path) -> list[dict[str, Any]]:
    """The records of a job, in order."""
    parts = sorted((out / "data").glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text(encoding="utf-8").splitlines()]


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A file of 25 records with an id and a column of its own."""
    return write_records(tmp_path / "in.jsonl", ({"id": f"r{n}", "text": f"我在中国{n}", "n": n} for n in range(25)))

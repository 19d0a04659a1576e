"""What the page on evaluation shows happens."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import lexel
from lexel.data import write_jsonl
from lexel.labels import detect
from lexel.metrics.spans import RULES, spans_of_tags
from lexel.tasks.tag import Tagger
from tests.evaluation.conftest import random_gold

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
BIOES = ("O", "B-PER", "I-PER", "E-PER", "S-PER")


def test_the_example_runs(tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lexel, "load", lambda **_: tagger, raising=False)
    write_jsonl(random_gold(20), "dev.jsonl")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "docs/evaluation.md", "exec"), {})


@pytest.mark.parametrize(
    ("tags", "labels", "n_strict", "n_lenient"),
    [
        ("B-PER I-PER O", BIO, 1, 1),
        ("O I-PER I-PER", BIO, 0, 1),
        ("B-PER I-LOC", BIO, 1, 2),
        ("B-PER I-PER O", BIOES, 0, 1),
    ],
)
def test_the_two_rules_read_as_the_table_says(
    tags: str, labels: tuple[str, ...], n_strict: int, n_lenient: int
) -> None:
    assert f"| `{tags}`" in PAGE
    label_set = detect(labels)
    ids = np.array([labels.index(tag) for tag in tags.split()])
    counts = [spans_of_tags(ids, np.array([0, len(ids)]), label_set, rule=rule).n_spans for rule in RULES]
    assert counts == [n_strict, n_lenient]

"""Corpora in the layout of the Chinese recipes, cut short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
SPLITS = {"train": slice(0, 60), "dev": slice(60, 90), "test": slice(90, 120)}


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def write_labelled(corpora: Path, name: str, split: str, records: list[dict[str, Any]]) -> None:
    path = corpora / "labelled" / name / f"{split}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for record in records:
        pos = record.get("pos", record.get("upos"))
        layers = {"words": record.get("words"), "upos": pos, "entities": record.get("entities")}
        xpos = None if pos is None else ["XX"] * len(pos)
        lines.append(json.dumps({"id": record.get("id"), "text": record["text"], **layers, "xpos": xpos}))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora in the recipe's layout: some raw text, and the labelled sets cut short."""
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "raw").mkdir()
    for name, source in (("wikipedia_shards", "zh_gsd"), ("tatoeba", "zh_gsdsimp")):
        text = "".join(f"{record['text']}\n" for record in read(source)[150:190])
        (folder / "raw" / f"{name}.txt").write_text(text, encoding="utf-8")
    for name in ("zh_gsd", "zh_gsdsimp"):
        for split, part in SPLITS.items():
            write_labelled(folder, name, split, read(name)[part])
    write_labelled(folder, "zh_aishell_ner", "train", read("zh_aishell_ner")[:30])
    return folder

"""The cross-lingual recipe at a tiny size: from texts to the table of languages."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from lexel.cli.app import run_app

ROOT = Path(__file__).parents[2]
SETS = ("en_ewt", "pt_bosque", "da_ddt", "sr_set")


def _recipe() -> ModuleType:
    place = ROOT / "recipes" / "cross_lingual" / "make.py"
    spec = importlib.util.spec_from_file_location("cross_lingual", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """A folder of corpora with a few sentences of four languages."""
    for name in SETS:
        lines = (ROOT / "tests" / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        folder = tmp_path / "corpora" / "labelled" / name
        folder.mkdir(parents=True)
        for i, split in enumerate(("train", "dev", "test")):
            part = lines[i:90:3]
            (folder / f"{split}.jsonl").write_text("\n".join(part) + "\n", encoding="utf-8")
    return tmp_path / "corpora"


def test_the_recipe_ends_in_a_table_of_languages(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def lexel(*arguments: object) -> None:
        monkeypatch.setattr("sys.argv", ["lexel", *map(str, arguments)])
        assert run_app() == 0

    recipe, work = _recipe(), tmp_path / "work"
    monkeypatch.setattr(recipe, "lexel", lexel)
    monkeypatch.setenv("LEXEL_SAMPLES", "20")
    monkeypatch.setenv("LEXEL_SPEED_CHARS", "200")
    tiny = ["--max-steps", "4", "--batch-pieces", "512", "--threads", "1", "--no-bf16"]
    recipe.main(["--corpora", str(corpora), "--work", str(work), "--pieces", "500", "--", *tiny])
    table = json.loads((work / "table.json").read_text(encoding="utf-8"))
    assert [data["name"] for data in table["data"]] == list(SETS)
    assert table["means"]["entities, strict, F1"].keys() == {"model"}
    shown = capfd.readouterr().out
    for name in (*SETS, "mean"):
        assert name in shown
    vocabulary = (work / "tokenizer" / "vocab.txt").read_text(encoding="utf-8").split()
    assert any(piece != piece.lower() for piece in vocabulary[5:])

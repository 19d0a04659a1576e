"""ModernBERT and DeBERTa v3 from training to a card, by commands, with tokenizers as real folders have them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from lexel.checkpoint import open_checkpoint
from lexel.cli.app import app
from lexel.text.tokenizer import load_tokenizer
from tests.builders import DEBERTA_V3, MODERN, write_byte_level_tokenizer
from tests.text.test_sentencepiece_file import model as model

DATA = Path(__file__).parents[1] / "data" / "en_ewt.jsonl"
CONFIGS: dict[str, dict[str, Any]] = {
    "modernbert": {**MODERN, "model_type": "modernbert"},
    "deberta-v3": {**DEBERTA_V3, "model_type": "deberta-v2"},
}
SHOWN = {"modernbert": "ModernBERT (4 layers of 32", "deberta-v3": "DeBERTa v2/v3 (3 layers of 32"}


@dataclass(frozen=True, slots=True)
class Life:
    """A trained folder, and the data that it was trained on."""

    family: str
    folder: Path
    data: Path


def lexel(*arguments: str | Path) -> str:
    """What a command that succeeds writes to standard output."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("LEXEL_")]:
        monkeypatch.delenv(name)
    return


@pytest.fixture(scope="module", params=CONFIGS)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: bytes) -> Life:
    """A folder that ``lexel train`` made of random weights."""
    place, config = tmp_path_factory.mktemp("lives"), CONFIGS[request.param]
    (tokenizer := place / "tokenizer").mkdir()
    if request.param == "modernbert":
        write_byte_level_tokenizer(tokenizer)
    else:
        (tokenizer / "spm.model").write_bytes(model)
    n = load_tokenizer(tokenizer, pieces="tokenizer", model_type=config["model_type"]).n_pieces
    data = place / "train.jsonl"
    data.write_text("".join(DATA.read_text(encoding="utf-8").splitlines(keepends=True)[:16]), encoding="utf-8")
    recipe = {
        "train": str(data),
        "validation": str(data),
        "heads": ["words"],
        "config": {**config, "vocab_size": n},
        "tokenizer": str(tokenizer),
        "output_dir": str(place / "out"),
        "max_steps": 3,
        "threads": 1,
    }
    (place / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    lexel("train", place / "recipe.yaml")
    return Life(request.param, place / "out", data)


def test_training_made_a_folder_of_the_family(life: Life) -> None:
    checkpoint = open_checkpoint(life.folder)
    assert checkpoint.config.model_type == CONFIGS[life.family]["model_type"]
    assert set(checkpoint.heads) == {"words"}


def test_it_reads_text(life: Life, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("The European Union is in Europe.\n", encoding="utf-8")
    lexel("tag", "-m", life.folder, "--to", "jsonl", "-o", tmp_path / "out.jsonl", tmp_path / "in.txt")
    found = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert found["text"] == "The European Union is in Europe."
    assert found["words"]


def test_it_is_evaluated(life: Life) -> None:
    assert "words" in lexel("evaluate", life.folder, "-d", life.data, "--samples", "10")


@pytest.mark.parametrize("to", ["onnx", "torch", "openvino"])
def test_it_is_exported_and_what_is_exported_agrees(life: Life, to: str, tmp_path: Path) -> None:
    lexel("export", life.folder, tmp_path / "out", "--to", to)
    assert any(path.is_file() for path in (tmp_path / "out").rglob("*"))


def test_its_card_names_the_family_and_its_figures(life: Life) -> None:
    lexel("card", life.folder, "--licence", "mit", "--no-speed")
    card = (life.folder / "README.md").read_text(encoding="utf-8")
    assert SHOWN[life.family] in card
    assert "license: mit" in card

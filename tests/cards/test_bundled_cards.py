"""The bundled models' cards are what the tools write from the folders and the recipes' answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lexel.cards.card import card_text
from lexel.cards.facts import gather
from lexel.checkpoint.source import bundled_folder, bundled_names

RECIPES = Path(__file__).parents[2] / "recipes"
ANSWERS = {path.parent.name.replace("_", "-"): path for path in RECIPES.glob("*/card.yaml")}
SPEED = re.compile(r"## Speed and memory\n.*?(?=^## )", re.DOTALL | re.MULTILINE)


def test_every_bundled_model_has_answers_in_a_recipe() -> None:
    assert set(ANSWERS) == set(bundled_names())


@pytest.mark.parametrize("name", bundled_names())
def test_a_card_is_what_the_tools_write_from_the_recipe_s_answers(name: str) -> None:
    folder = bundled_folder(name)
    answers = yaml.safe_load(ANSWERS[name].read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card_text(gather(folder, answers=answers)) == SPEED.sub("", card)

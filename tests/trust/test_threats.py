"""The threat model names tests that exist, and what no other room's tests show of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lexel.errors import OptionError
from lexel.training.config.recipe import read_recipe
from lexel.training.config.values import Value

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (.+) \| (.+) \| `(.+)` \|$", (ROOT / "docs" / "threats.md").read_text("utf-8"), re.MULTILINE)


def test_every_kind_of_attacker_has_rows() -> None:
    assert len(ROWS) >= 20


@pytest.mark.parametrize("test", [row[2] for row in ROWS])
def test_a_defence_is_shown_by_a_test_that_exists(test: str) -> None:
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^def {name}\(", text, re.MULTILINE)


@pytest.mark.parametrize(
    "value",
    ["!!python/object/apply:os.system ['touch ran']", "!!python/name:os.system", "!!python/object/new:os.system [x]"],
)
def test_a_recipe_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(f"model: {value}\ntrain: x.jsonl\n", encoding="utf-8")
    assert isinstance(read_recipe("recipe.yaml")["model"], Value)
    assert not Path("ran").exists()


def test_a_recipe_that_doubles_itself_is_refused_or_small(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (tmp_path / "recipe.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(OptionError):
        read_recipe(str(tmp_path / "recipe.yaml"))

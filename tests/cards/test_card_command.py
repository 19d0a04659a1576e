"""``lexel card``: what is typed, asked and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lexel.cards import read_claims
from lexel.cards.metadata import read_metadata
from lexel.cli.app import app
from lexel.data import write_jsonl
from lexel.licences import demand_of, identifier_of, kind_of
from lexel.text.letters import script_of
from tests.builders import ENTITIES, POS, build_tagger
from tests.cards.conftest import Trained
from tests.evaluation.conftest import random_gold


def lexel(*arguments: str | Path, input: str | None = None) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)], input=input)


def test_what_is_typed_stands_on_the_card_and_what_is_missing_is_said(trained: Trained) -> None:
    result = lexel("card", trained.folder, "--licence", "mit", "--set", "genres=news", "--no-speed")
    assert result.exit_code == 0, result.output
    assert read_metadata(trained.folder)["license"] == "mit"
    assert "not known: author: Who made the model? --set author=..." in result.stderr
    assert "not known: licence.Open test" in result.stderr
    assert "not known: genres" not in result.stderr


def test_a_text_can_come_from_a_file(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "who.md").write_text("By *many* people.\n", encoding="utf-8")
    result = lexel("card", trained.folder, "--set", f"attribution=@{tmp_path / 'who.md'}", "--no-speed")
    assert result.exit_code == 0, result.output
    assert "## Attribution\n\nBy *many* people.\n" in (trained.folder / "README.md").read_text(encoding="utf-8")


def test_a_person_at_a_terminal_is_asked(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.cli.commands.card.is_terminal", lambda _: True)
    result = lexel("card", trained.folder, "--no-speed", input="apache-2.0\n\nspeech\n\n")
    assert result.exit_code == 0, result.output
    assert "Under which licence" in result.output
    assert read_metadata(trained.folder)["license"] == "apache-2.0"
    answers = json.loads((trained.folder / "card.json").read_text(encoding="utf-8"))["answers"]
    assert answers == {"licence": "apache-2.0", "genres": "speech"}
    assert "not known: author" in result.stderr


def test_a_plain_folder_is_measured_on_the_data_named(tmp_path: Path, trained: Trained) -> None:
    folder = build_tagger(tmp_path / "plain", heads={"entities": ENTITIES})
    result = lexel("card", folder, "-d", f"{trained.test}:Mine:cc-by-nc-4.0", "--samples", "10", "--no-speed")
    assert result.exit_code == 0, result.output
    assert {claim.dataset for claim in read_claims(folder)} == {"Mine"}
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "**Mine**: cc-by-nc-4.0; not for commercial use" in card
    assert lexel("verify", folder, "-d", trained.test, "--samples", "0").exit_code == 0


def test_a_model_that_only_tags_words_is_measured_and_verified_on_given_words(tmp_path: Path) -> None:
    folder, data = build_tagger(tmp_path / "tags", heads={"pos": POS}, pieces="chars"), tmp_path / "test.jsonl"
    write_jsonl([document for document in random_gold(30) if document.text], data)
    assert lexel("card", folder, "-d", data, "--samples", "0", "--no-speed").exit_code == 0
    result = lexel("verify", folder, "-d", data, "--samples", "0")
    assert result.exit_code == 0, result.output
    assert "tags of given words" in result.output


def test_measuring_again_takes_the_place_of_the_earlier_report(trained: Trained) -> None:
    for _ in range(2):
        result = lexel("card", trained.folder, "-d", trained.test, "--samples", "0", "--no-speed")
        assert result.exit_code == 0, result.output
    assert len(read_claims(trained.folder)) == 13


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["no-folder"], 1, "no-folder: no such folder"),
        (["my-model", "--set", "licence"], 2, "'licence'; expected NAME=TEXT"),
        (["my-model", "--set", "notes=@no.md"], 2, "no.md: no such file"),
        (["my-model", "-d", "no.jsonl:x:y"], 1, "no such file"),
    ],
)
def test_misuse_is_said(
    arguments: list[str], status: int, said: str, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.folder.parent)
    result = lexel("card", *arguments, "-q")
    assert result.exit_code == status
    assert said in (result.stderr if status == 1 else str(result.exception) + result.output)


@pytest.mark.parametrize(
    ("said", "identifier", "kind"),
    [
        ("CC BY-SA 4.0", "cc-by-sa-4.0", "share-alike"),
        ("Apache 2.0", "apache-2.0", "permissive"),
        ("MIT License", "mit", "permissive"),
        ("CC BY-SA", None, "share-alike"),
        ("CC0 1.0", "cc0-1.0", "permissive"),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0", "non-commercial"),
        ("GPL-3.0", "gpl-3.0", "copyleft"),
        ("public domain", None, "permissive"),
        ("official documents (Act, Art. 9)", None, "unknown"),
        ("MIT, CC BY-SA 4.0", None, "share-alike"),
    ],
)
def test_licences_are_known_as_people_write_them(said: str, identifier: str | None, kind: str) -> None:
    assert (identifier_of(said), kind_of(said)) == (identifier, kind)


def test_only_licences_that_ask_something_are_said_aloud() -> None:
    assert demand_of("mit") is None
    assert demand_of(None) == "no licence is stated; ask its author before use"


@pytest.mark.parametrize(("char", "script"), [("臺", "Hani"), ("é", "Latn"), ("ж", "Cyrl"), ("3", None), (" ", None)])
def test_a_characters_script_is_known_by_its_name(char: str, script: str | None) -> None:
    assert script_of(char) == script

"""The bundled English model reads what people write, and is what its folder says."""

from __future__ import annotations

import json
import re

import pytest

import lexel
from lexel.checkpoint.source import bundled_folder, bundled_names
from lexel.tasks.tag import Tagger

MODELS = bundled_folder().parent


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return lexel.load("en", threads=1)


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("Angela Merkel met Emmanuel Macron in Berlin.", ["Angela Merkel PER", "Emmanuel Macron PER", "Berlin LOC"]),
        ("Liverpool beat Real Madrid at Anfield.", ["Liverpool ORG", "Real Madrid ORG", "Anfield LOC"]),
        ("she said london is great", ["london LOC"]),
        ("Nothing here has a name.", []),
    ],
)
def test_entities_are_found(tagger: Tagger, text: str, entities: list[str]) -> None:
    document = tagger(text)
    assert [f"{entity.text} {entity.label}" for entity in document.entities] == entities
    assert all(text[entity.start : entity.end] == entity.text for entity in document.entities)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I can't go.", ["I", "ca", "n't", "go", "."]),
        ("isn't it, 3-1?", ["is", "n't", "it", ",", "3", "-", "1", "?"]),
    ],
)
def test_words_end_where_the_treebank_ends_them(tagger: Tagger, text: str, words: list[str]) -> None:
    assert tagger(text).words.texts == words


def test_every_word_has_a_tag(tagger: Tagger) -> None:
    document = tagger("The quick brown fox jumps over the lazy dog.")
    tags = [word.pos for word in document.words]
    assert tags == ["DET", "ADJ", "ADJ", "NOUN", "VERB", "ADP", "DET", "ADJ", "NOUN", "PUNCT"]


def test_the_bundled_models_fit_into_a_small_wheel() -> None:
    assert {"zh", "en"} <= set(bundled_names())
    sizes = {path: path.stat().st_size for path in MODELS.rglob("*") if path.is_file()}
    assert sum(sizes.values()) <= 45e6
    assert sum(size for path, size in sizes.items() if "en" in path.relative_to(MODELS).parts) <= 20e6


def test_no_file_of_a_bundled_model_names_a_folder_of_whoever_made_it() -> None:
    for path in MODELS.rglob("*.json"):
        assert re.findall(r'"(?:/|[A-Z]:)[^"]+/[^"]*"', path.read_text(encoding="utf-8")) == [], path


def test_its_scores_are_calibrated() -> None:
    heads = json.loads((MODELS / "en" / "lexel.json").read_text(encoding="utf-8"))["heads"]
    assert all("tuned" in head for head in heads.values())

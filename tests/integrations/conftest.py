"""The bundled model and a small sentence encoder, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

import lexel
from lexel import Embedder, Tagger
from tests.builders import build_sentence_model, write_json


@pytest.fixture(scope="session")
def nlp() -> Tagger:
    return lexel.load()


@pytest.fixture(scope="session")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_sentence_model(tmp_path_factory.mktemp("sentences") / "model")
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "the ", "document": ""}})
    return folder


@pytest.fixture(scope="session")
def embedder(sentence_model: Path) -> Embedder:
    return Embedder.load(sentence_model)

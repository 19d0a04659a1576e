"""Folders of every family, in the forms that are found in the wild, are read as the one that transformers wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers.utils import logging

from lexel.checkpoint import open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.jsonfile import read_object
from lexel.text.tokenizer import load_tokenizer
from tests.builders import (
    RECIPES,
    VOCAB,
    build_reference,
    compute,
    random_sequences,
    write_byte_level_tokenizer,
    write_json,
)

Tensors = dict[str, torch.Tensor]
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Case:
    """A folder that transformers wrote, its model, and what Lexel computes."""

    folder: Path
    model: Any
    scores: NDArray[np.float64]

    @property
    def prefix(self) -> str:
        return open_checkpoint(self.folder).config.family.prefix


@pytest.fixture(scope="module", params=RECIPES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp(request.param)
    model = build_reference(folder, RECIPES[request.param])
    return Case(folder, model, scores_of(folder))


def scores_of(folder: Path) -> NDArray[np.float64]:
    engine = start_engine(open_checkpoint(folder), EngineOptions(engine="numpy"))
    return compute(engine, random_sequences((20, 7)), ["entities"], max_length=64)["entities"]


def assert_read_alike(folder: Path, case: Case) -> None:
    assert np.array_equal(scores_of(folder), case.scores)


def with_tensors(folder: Path, case: Case, change: Callable[[Tensors], Tensors]) -> Path:
    """A copy of a case's folder whose tensors were changed."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "config.json", read_object(case.folder / "config.json"))
    save_file(change(load_file(case.folder / WEIGHTS)), folder / WEIGHTS, {"format": "pt"})
    return folder


def test_weights_may_lie_in_shards(case: Case, tmp_path: Path) -> None:
    case.model.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert_read_alike(tmp_path, case)


def test_weights_may_be_a_file_of_torch(case: Case, tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", read_object(case.folder / "config.json"))
    torch.save(load_file(case.folder / WEIGHTS), tmp_path / "pytorch_model.bin")
    assert_read_alike(tmp_path, case)


def test_weights_may_be_a_file_of_torch_in_shards(case: Case, tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", read_object(case.folder / "config.json"))
    tensors = load_file(case.folder / WEIGHTS)
    names = sorted(tensors)
    shards = {f"pytorch_model-0000{i + 1}-of-00002.bin": names[i::2] for i in range(2)}
    for file, members in shards.items():
        torch.save({name: tensors[name] for name in members}, tmp_path / file)
    places = {name: file for file, members in shards.items() for name in members}
    write_json(tmp_path / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": places})
    assert_read_alike(tmp_path, case)


def test_norms_may_have_the_names_of_tensorflow(case: Case, tmp_path: Path) -> None:
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def renamed(tensors: Tensors) -> Tensors:
        found = {}
        for name, tensor in tensors.items():
            ending = next((new for new in old if name.endswith(new)), "")
            found[name.removesuffix(ending) + old.get(ending, "")] = tensor
        return found

    assert_read_alike(with_tensors(tmp_path, case, renamed), case)


def test_the_encoder_may_stand_at_the_root(case: Case, tmp_path: Path) -> None:
    prefix = f"{case.prefix}."

    def rooted(tensors: Tensors) -> Tensors:
        assert any(name.startswith(prefix) for name in tensors)
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}

    assert_read_alike(with_tensors(tmp_path, case, rooted), case)


def test_a_wrapper_may_stand_before_all_names(case: Case, tmp_path: Path) -> None:
    wrapped = with_tensors(tmp_path, case, lambda tensors: {f"module.{name}": one for name, one in tensors.items()})
    assert_read_alike(wrapped, case)


def test_buffers_of_old_versions_may_be_there(case: Case, tmp_path: Path) -> None:
    positions = torch.arange(64)[None]

    def with_buffers(tensors: Tensors) -> Tensors:
        return tensors | {f"{case.prefix}.embeddings.position_ids": positions}

    assert_read_alike(with_tensors(tmp_path, case, with_buffers), case)


def test_the_config_may_be_of_before_transformers_5(case: Case, tmp_path: Path) -> None:
    values = read_object(with_tensors(tmp_path, case, dict) / "config.json")
    new = ("dtype", "transformers_version", "add_cross_attention", "is_decoder", "use_cache", "tie_word_embeddings")
    old = {key: value for key, value in values.items() if key not in new and value is not None}
    write_json(tmp_path / "config.json", {**old, "torch_dtype": "float32", "gradient_checkpointing": False})
    assert_read_alike(tmp_path, case)


def test_an_ernie_may_call_itself_bert(tmp_path: Path) -> None:
    logging.disable_progress_bar()
    build_reference(tmp_path / "ernie", RECIPES["ernie-1"])
    case = Case(tmp_path / "ernie", None, scores_of(tmp_path / "ernie"))
    folder = with_tensors(
        tmp_path / "bert",
        case,
        lambda tensors: {name.replace("ernie.", "bert.", 1): one for name, one in tensors.items()},
    )
    values = read_object(folder / "config.json")
    of_bert = {"model_type": "bert", "architectures": ["BertForTokenClassification"]}
    write_json(folder / "config.json", {key: value for key, value in values.items() if "task" not in key} | of_bert)
    assert_read_alike(folder, case)


# Tokenizers without their settings -----------------------------------------------------------------------------------


WORDPIECE = ("bert", "distilbert", "electra", "ernie", "megatron-bert", "nezha", "mpnet", "nomic_bert", "deberta-v2")
BYTES = ("roberta", "data2vec-text", "roberta-prelayernorm", "modernbert", "eurobert")


@pytest.mark.parametrize("model_type", WORDPIECE)
def test_vocab_txt_is_enough_without_tokenizer_config(tmp_path: Path, model_type: str) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCAB), encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, pieces="tokenizer", model_type=model_type)
    pieces = tokenizer.encode(["我在New york"])
    assert tokenizer.strings(pieces.ids) == ["我", "在", "new", "york"]
    assert (tokenizer.special.prefix, tokenizer.special.suffix, tokenizer.special.mask) == ((2,), (3,), 4)


@pytest.mark.parametrize("model_type", BYTES)
def test_vocab_json_with_merges_is_enough_without_tokenizer_config(tmp_path: Path, model_type: str) -> None:
    (tmp_path / "whole").mkdir()
    write_byte_level_tokenizer(tmp_path / "whole")
    model = read_object(tmp_path / "whole" / "tokenizer.json")["model"]
    write_json(tmp_path / "vocab.json", model["vocab"])
    merges = "".join(f"{' '.join(pair)}\n" for pair in model["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, pieces="tokenizer", model_type=model_type)
    assert tokenizer.strings(tokenizer.encode(["a the"]).ids) == ["a", "Ġthe"]
    assert (tokenizer.special.prefix, tokenizer.special.suffix, tokenizer.special.mask) == ((0,), (2,), 4)

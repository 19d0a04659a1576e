"""A folder as transformers writes it, opened whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.source import bundled_folder
from lexel.errors import CheckpointError, WeightError

from .conftest import FolderBuilder

SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 20}
DISTIL = {"dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "vocab_size": 20}
NAMES = {0: "O", 1: "B-PER", 2: "I-PER"}
CONFIGS = {
    "bert": transformers.BertConfig(**SMALL, id2label=NAMES),
    "roberta": transformers.RobertaConfig(**SMALL, id2label=NAMES),
    "xlm-roberta": transformers.XLMRobertaConfig(**SMALL, id2label=NAMES),
    "camembert": transformers.CamembertConfig(**SMALL, id2label=NAMES),
    "albert": transformers.AlbertConfig(**SMALL, embedding_size=4, id2label=NAMES),
    "electra": transformers.ElectraConfig(**SMALL, embedding_size=4, id2label=NAMES),
    "distilbert": transformers.DistilBertConfig(**DISTIL, id2label=NAMES),
}
PREFIXES = {"xlm-roberta": "roberta", "camembert": "roberta"}


@pytest.mark.parametrize("model_type", CONFIGS)
def test_tagger_saved_by_transformers_opens_with_its_weights(model_type: str, tmp_path: Path) -> None:
    model = transformers.AutoModelForTokenClassification.from_config(CONFIGS[model_type])
    model.save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    weights = checkpoint.open_weights()
    assert checkpoint.heads["entities"].labels == tuple(NAMES.values())
    for name, tensor in model.state_dict().items():
        assert torch.equal(torch.from_numpy(weights.tensor(name, tuple(tensor.shape))), tensor)
    weights.check_used()
    base = weights.base(PREFIXES.get(model_type, model_type))
    assert any(name.startswith("embeddings.") for name in base.names)


def test_encoder_saved_bare_has_its_weights_at_the_root(tmp_path: Path) -> None:
    transformers.BertModel(CONFIGS["bert"]).save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.heads == {}
    assert "heads: none, a bare encoder" in checkpoint.description
    assert checkpoint.open_weights().base("bert").has("embeddings.word_embeddings.weight")


def test_shards_saved_by_transformers_are_read(tmp_path: Path) -> None:
    model = transformers.BertForTokenClassification(CONFIGS["bert"])
    model.save_pretrained(tmp_path, max_shard_size="5KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    assert set(open_checkpoint(tmp_path).open_weights().names) == set(model.state_dict())


def test_head_that_does_not_fit_its_labels_says_where_they_are_from(tmp_path: Path) -> None:
    transformers.BertForTokenClassification(CONFIGS["bert"]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"0": "B", "1": "I"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        WeightError, match=r"\(3, 8\), the config needs \(2, 8\)\. The label count came from config\.json"
    ):
        open_checkpoint(tmp_path).open_weights().linear("classifier", (2, 8))


def describe(folder: Path) -> list[str]:
    return open_checkpoint(folder).description.splitlines()


def test_description_of_a_folder_names_it_and_says_that_its_licence_is_not_known(build_folder: FolderBuilder) -> None:
    folder = build_folder()
    assert describe(folder) == [
        f"model: {folder} (bert)",
        "licence not stated: the model's card names none, ask its author before use",
        "head words: words in BI, 2 labels",
        "pieces: the tokenizer's",
    ]


def test_description_says_that_a_tag_stands_for_a_word() -> None:
    assert any(line.startswith("head pos: one tag per word, ") for line in describe(bundled_folder()))


def test_description_is_silent_about_a_free_licence(build_folder: FolderBuilder) -> None:
    folder = build_folder(files={"README.md": "---\nlicense: apache-2.0\n---\n"})
    assert not any("licence" in line for line in describe(folder))


def test_caller_overrules_what_was_found(build_folder: FolderBuilder) -> None:
    checkpoint = open_checkpoint(build_folder(), pieces="chars", labels=["NOUN", "VERB"], scheme="bare")
    assert (checkpoint.pieces, checkpoint.heads["pos"].labels) == ("chars", ("NOUN", "VERB"))


def test_checkpoint_cannot_be_changed(build_folder: FolderBuilder) -> None:
    with pytest.raises(AttributeError, match="pieces"):
        open_checkpoint(build_folder()).pieces = "chars"  # type: ignore[misc]


def test_code_in_a_checkpoint_is_neither_needed_nor_run(build_folder: FolderBuilder, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    code = f"open({str(victim)!r}, 'w')"
    folder = build_folder(
        {"auto_map": {"AutoModel": "modeling.Evil"}}, files={"modeling.py": code, "__init__.py": code}
    )
    assert isinstance(open_checkpoint(folder), Checkpoint)
    assert not victim.exists()


def test_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        open_checkpoint(tmp_path)

"""Families whose layers differ from BERT's, after training: transformers and Lexel read the folder alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import CheckpointError, OptionError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.loop.fit import train
from tests import nezha
from tests.builders import (
    DEBERTA_V3,
    ENTITIES,
    MODERN,
    RECIPES,
    VOCAB,
    compute,
    random_sequences,
    write_json,
    write_vocab,
)

TAGGED = {"text": "我在臺北 他不在", "words": [[0, 1], [1, 2], [2, 4], [5, 6], [6, 8]], "entities": [[2, 4, "LOC"]]}
CLASSIFIED = [{"text": "我在臺北", "label": "yes"}, {"text": "他不在", "label": "no"}]
YARN = {"full_attention": {"rope_type": "yarn"}}
CONFIG = {**MODERN, "vocab_size": len(VOCAB), "model_type": "modernbert", "hidden_activation": "gelu"}
DEBERTA = {**DEBERTA_V3, "vocab_size": len(VOCAB), "model_type": "deberta-v2"}
CONFIGS = {
    "ModernBert": CONFIG,
    "DebertaV2": DEBERTA,
    **{
        name: {**RECIPES[recipe].settings, "vocab_size": len(VOCAB), "model_type": RECIPES[recipe].model_type}
        for name, recipe in {
            "Gte": "gte",
            "NomicBert": "nomic-bert",
            "JinaEmbeddingsV3": "jina-embeddings-v3",
            "MPNet": "mpnet",
            "EuroBert": "eurobert",
            "Nezha": "nezha",
            "RoFormer": "roformer",
        }.items()
    },
}
NO_FILL = ("EuroBert",)
"""Families whose head for masked pieces is read, but not trained."""
HEADS = {
    "entities": HeadOptions(task="entities", labels=ENTITIES),
    "classify": HeadOptions(task="classify"),
    "fill": HeadOptions(task="fill"),
}


def trained(tmp_path: Path, heads: dict[str, HeadOptions], **more: Any) -> Path:
    """A folder that training made of random weights, in two steps."""
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    write_vocab(tokenizer, VOCAB)
    lines = CLASSIFIED if "classify" in heads else [TAGGED]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    asked: dict[str, Any] = {"config": CONFIG, "tokenizer": str(tokenizer), "max_steps": 2, "threads": 1, **more}
    files = (DataFile(path=str(tmp_path / "a.jsonl")),)
    return train(TrainingOptions(train=files, output_dir=str(tmp_path / "out"), heads=heads, **asked)).folder


def lexels(folder: Path, head: str, *, firsts: bool) -> tuple[np.ndarray[Any, Any], list[torch.Tensor]]:
    """Lexel's scores, packed, and the sequences."""
    checkpoint = open_checkpoint(folder)
    sequences = random_sequences((30, 5, 18), n_pieces=len(VOCAB))
    if firsts:
        sequences.picked[:] = False
        sequences.picked[sequences.bounds[:-1]] = True
    engine = start_engine(checkpoint, EngineOptions(engine="numpy"), heads=[head])
    parts = np.split(sequences.ids.astype(np.int64), sequences.bounds[1:-1])
    return compute(engine, sequences, [head], max_length=64)[head], [torch.from_numpy(part[None]) for part in parts]


@pytest.mark.parametrize(
    ("head", "kind", "more"),
    [
        ("entities", "TokenClassification", {}),
        ("entities", "TokenClassification", {"method": "lora"}),
        ("classify", "SequenceClassification", {}),
        ("classify", "SequenceClassification", {"config": {"classifier_pooling": "mean"}}),
        ("fill", "MaskedLM", {}),
    ],
)
@pytest.mark.parametrize("family", CONFIGS)
def test_transformers_reads_what_training_saved(
    tmp_path: Path, family: str, head: str, kind: str, more: dict[str, Any]
) -> None:
    if head == "fill" and family in NO_FILL:
        with pytest.raises(OptionError, match="fill of a eurobert model, whose head is a decoder of its own"):
            trained(tmp_path, {head: HEADS[head]}, config=CONFIGS[family])
        return
    folder = trained(tmp_path, {head: HEADS[head]}, **{**more, "config": CONFIGS[family] | more.get("config", {})})
    theirs = getattr(nezha if family == "Nezha" else transformers, f"{family}For{kind}").from_pretrained(folder).eval()
    found, parts = lexels(folder, head, firsts=head == "classify")
    with torch.no_grad():
        expected = torch.cat([theirs(part).logits.flatten(0, -2) for part in parts])
    assert np.abs(found - expected.numpy()).max() <= 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("family", CONFIGS)
def test_several_heads_stand_on_it_together(tmp_path: Path, family: str) -> None:
    heads = {"words": HeadOptions(task="words"), "entities": HEADS["entities"]}
    folder = trained(tmp_path, heads, method="adapter", config=CONFIGS[family])
    assert {"words", "entities"} <= lexel.load(folder)("我在臺北").layers


@pytest.mark.parametrize("family", CONFIGS)
def test_a_student_with_fewer_layers_learns_from_it(tmp_path: Path, family: str) -> None:
    teacher = trained(tmp_path, {"entities": HEADS["entities"]}, config=CONFIGS[family])
    (tmp_path / "b").mkdir()
    heads, sizes = {"entities": HeadOptions(task="entities")}, {"num_hidden_layers": 2}
    student = trained(tmp_path / "b", heads, config=sizes, teacher=str(teacher), tokenizer=None)
    assert open_checkpoint(student).config.n_layers == 2


def test_its_card_calls_it_by_its_name(tmp_path: Path) -> None:
    card = (trained(tmp_path, {"entities": HEADS["entities"]}) / "README.md").read_text(encoding="utf-8")
    assert "ModernBERT (4 layers of 32" in card


# Configs -------------------------------------------------------------------------------------------------------------


def config_with(folder: Path, **changes: Any) -> Any:
    values = {**CONFIG, **changes}
    write_json(folder / "config.json", {key: value for key, value in values.items() if value != "absent"})
    from lexel.checkpoint.config import read_config

    return read_config(folder).more


def test_configs_of_before_transformers_5_are_read(tmp_path: Path) -> None:
    old = {"global_attn_every_n_layers": 2, "global_rope_theta": 80_000.0, "local_rope_theta": 500}
    more = config_with(tmp_path, **old)
    assert more.layer_types == ("full_attention", "sliding_attention") * 2
    assert more.bases == {"full_attention": 80_000.0, "sliding_attention": 500.0}


def test_no_base_for_local_layers_means_that_of_global_ones(tmp_path: Path) -> None:
    assert set(config_with(tmp_path, global_rope_theta=7.0, local_rope_theta=None).bases.values()) == {7.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rope_scaling": {"type": "yarn"}}, "rope_scaling is .*yarn.*; expected none"),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}},
            "rope_parameters is .*expected rope_type default",
        ),
        ({"layer_types": ["full_attention"]}, "layer_types is .*; expected a list of 4 names"),
        ({"local_attention": 0}, "local_attention is 0; expected a whole number of at least 1"),
        ({"classifier_pooling": "max"}, "classifier_pooling is 'max'; expected one of cls, mean"),
    ],
)
def test_what_is_not_computed_is_refused_by_value(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        config_with(tmp_path, **changes)

"""A folder without the head asked for says which heads it has and what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lexel.checkpoint import open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import CheckpointError, LabelError, WeightError
from lexel.names import TASKS
from lexel.tasks.loading import READERS, find_head
from tests.builders import RECIPES, WORDS, bert_config, bert_tensors, build_tagger, write_folder, write_json

from .test_bricks import CASES
from .test_bricks import build_model as build_reference


def folder_of(folder: Path, **config: Any) -> Path:
    values = bert_config(**config)
    write_folder(folder, values, bert_tensors(values, {}), ("[PAD]",))
    return folder


def test_every_task_has_a_reader() -> None:
    assert set(READERS) == set(TASKS)


@pytest.mark.parametrize("task", ["fill", "classify", "answer"])
def test_a_tagger_has_no_other_head(tmp_path: Path, task: str) -> None:
    checkpoint = open_checkpoint(build_tagger(tmp_path, heads={"words": WORDS}))
    message = rf"no head for {task}; it has words \(words\), which Tagger reads. Train such a head first"
    with pytest.raises(LabelError, match=message):
        find_head(checkpoint, task)


def test_a_bare_encoder_has_no_head(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(folder_of(tmp_path, architectures=["BertModel"]))
    with pytest.raises(LabelError, match="no head for fill; it holds a bare encoder, which Embedder reads"):
        find_head(checkpoint, "fill")


def test_the_discriminator_of_electra_is_refused_with_the_reason(tmp_path: Path) -> None:
    config = {**RECIPES["electra"].settings, "model_type": "electra", "architectures": ["ElectraForPreTraining"]}
    write_json(tmp_path / "config.json", config)
    message = r"ElectraForPreTraining is ELECTRA's discriminator, which tells replaced pieces .* Take the generator"
    with pytest.raises(LabelError, match=message):
        find_head(open_checkpoint(tmp_path), "fill")


@pytest.mark.parametrize(("family", "kind"), CASES)
def test_every_folder_is_read_without_its_head(tmp_path: Path, family: str, kind: str) -> None:
    build_reference(tmp_path, family, kind)
    start_engine(open_checkpoint(tmp_path), EngineOptions("numpy"), heads=["hidden.1"])


def test_a_pooler_is_read_only_where_the_head_needs_it(tmp_path: Path) -> None:
    config = bert_config(architectures=["BertForSequenceClassification"], id2label={"0": "a", "1": "b"})
    write_folder(tmp_path, config, bert_tensors(config, {"classifier": 2}), ("[PAD]",))
    checkpoint = open_checkpoint(tmp_path)
    start_engine(checkpoint, EngineOptions("numpy"), heads=["hidden.1"])
    with pytest.raises(WeightError, match=r"no tensor 'bert\.pooler\.dense\.weight'"):
        start_engine(checkpoint, EngineOptions("numpy"), heads=["classify"])


def test_an_untied_decoder_must_be_there(tmp_path: Path) -> None:
    config = bert_config(architectures=["BertForMaskedLM"], tie_word_embeddings=False)
    tensors = bert_tensors(config, {"cls.predictions.transform.dense": config["hidden_size"]})
    for part in ("weight", "bias"):
        tensors[f"cls.predictions.transform.LayerNorm.{part}"] = tensors["bert.embeddings.LayerNorm.weight"]
    write_folder(tmp_path, config, tensors, ("[PAD]",))
    with pytest.raises(WeightError, match=r"no tensor 'cls\.predictions\.decoder\.weight'"):
        start_engine(open_checkpoint(tmp_path), EngineOptions("numpy"))


# What the files say ---------------------------------------------------------------------------------------------------

CLASSES = {"0": "a", "1": "b"}


@pytest.mark.parametrize(
    ("labels", "said", "problem"),
    [
        (CLASSES, None, "single"),
        ({"0": "a"}, None, "regression"),
        (CLASSES, "multi_label_classification", "multi"),
        (CLASSES, "single_label_classification", "single"),
        (CLASSES, "regression", "regression"),
        (None, None, "single"),
    ],
)
def test_the_problem_follows_from_the_config(
    tmp_path: Path, labels: dict[str, str] | None, said: str | None, problem: str
) -> None:
    folder = folder_of(tmp_path, architectures=["BertForSequenceClassification"], id2label=labels, problem_type=said)
    assert open_checkpoint(folder).heads["classify"].problem == problem


def test_an_unknown_problem_is_refused(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path, architectures=["BertForSequenceClassification"], id2label=CLASSES, problem_type="ranking"
    )
    with pytest.raises(CheckpointError, match="problem_type is 'ranking'; expected one of single_label_class"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        ({"task": "classify", "labels": ["a"], "problem": "ranking"}, CheckpointError, "problem is 'ranking'"),
        ({"task": "classify"}, LabelError, "head 'x': no labels; expected the names of its outputs"),
        ({"task": "rank"}, CheckpointError, "task is 'rank'; expected one of words"),
    ],
)
def test_a_head_of_lexel_json_that_cannot_be_is_refused(
    tmp_path: Path, entry: dict[str, Any], error: type[Exception], message: str
) -> None:
    folder_of(tmp_path)
    write_json(
        tmp_path / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": {"x": {**entry, "prefix": "heads.x"}}}
    )
    with pytest.raises(error, match=message):
        open_checkpoint(tmp_path)


def test_labels_of_a_plain_classifier_must_be_the_configs(tmp_path: Path) -> None:
    folder_of(tmp_path, architectures=["BertForSequenceClassification"], id2label=CLASSES)
    head = {"task": "classify", "labels": ["b", "a"], "prefix": "classifier"}
    write_json(tmp_path / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": {"classify": head}})
    with pytest.raises(LabelError, match=r"has 2 labels \(b, a\), id2label in config.json 2 \(a, b\)"):
        open_checkpoint(tmp_path)

"""Heads for whole texts: classes, pairs, numbers, answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import lexel
from lexel.errors import DataError, LabelError, OptionError
from lexel.training import train
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.data.rows import RowBuilder
from lexel.training.objective.losses import answer_loss
from lexel.training.start.setup import build_model
from tests.training import runs
from tests.training.loop.test_learning import prepared
from tests.training.outcome.test_saved import CONFIGS, IDS, lexel_scores

COLOURS = {"红花绿叶": "花", "大江大河": "水", "清清小溪": "水", "白花黄花": "花"}


def records(path: Path, lines: list[dict[str, Any]]) -> tuple[DataFile, ...]:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return (DataFile(path=str(path)),)


def classified(path: Path) -> tuple[DataFile, ...]:
    return records(path, [{"text": text * k, "label": label} for k in (1, 2, 3) for text, label in COLOURS.items()])


def options(folder: Path, task: str, train: tuple[DataFile, ...], **changes: Any) -> TrainingOptions:
    chars = sorted({char for line in Path(train[0].path).read_text(encoding="utf-8") for char in line if char > " "})
    vocabulary = folder / "vocabulary.jsonl"
    vocabulary.write_text(json.dumps({"text": "".join(chars)}) + "\n", encoding="utf-8")
    changes = {"heads": {task: HeadOptions(task=task)}, "max_steps": 60, "learning_rate": 3e-3} | changes  # type: ignore[arg-type]
    tokenizer = str(runs.tokenizer(folder / "tokenizer", vocabulary))
    return runs.options(folder, train=train, **changes | {"tokenizer": tokenizer})


def test_classes_are_learnt_and_read_by_the_classifier(tmp_path: Path) -> None:
    files = classified(tmp_path / "train.jsonl")
    result = train(options(tmp_path, "classify", files, validation=files, eval_strategy="epoch", packing=False))
    assert result.table[-1]["accuracy"] == 1.0
    nlp = lexel.Classifier.load(tmp_path / "out", precision="float32")
    assert [nlp(text).label for text in COLOURS] == list(COLOURS.values())


@pytest.mark.parametrize("family", list(CONFIGS))
def test_a_classifiers_folder_gives_the_same_scores_in_transformers(tmp_path: Path, family: str) -> None:
    files = classified(tmp_path / "train.jsonl")
    train(options(tmp_path, "classify", files, config=CONFIGS[family], max_steps=2))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    ids = [min(piece, 12) for piece in IDS]
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).logits.numpy()
    np.testing.assert_allclose(lexel_scores(tmp_path / "out", ids)[:1], expected, atol=2e-4)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [([["花"], ["花", "水"], []], "multi_label_classification"), ([0.5, 1.5, 2.0], "regression"),
     (["1", "2", "1"], "single_label_classification")],
)  # fmt: skip
def test_the_data_say_what_kind_of_problem_it_is(tmp_path: Path, labels: list[Any], problem: str) -> None:
    key = "labels" if isinstance(labels[0], list) else "label"
    files = records(tmp_path / "train.jsonl", [{"text": "红花绿叶", key: label} for label in labels])
    result = train(options(tmp_path, "classify", files, validation=files, eval_strategy="epoch", max_steps=4))
    assert np.isfinite(result.table[-1]["validation_loss"])
    assert json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))["problem_type"] == problem


def test_pairs_are_told_apart_by_their_order(tmp_path: Path) -> None:
    pairs = [("大", "小", "yes"), ("小", "大", "no"), ("红花", "绿", "yes"), ("绿", "红花", "no")]
    files = records(tmp_path / "train.jsonl", [{"text": a, "text_pair": b, "label": c} for a, b, c in pairs * 4])
    train(options(tmp_path, "classify", files, max_steps=80))
    nlp = lexel.Classifier.load(tmp_path / "out", precision="float32")
    assert [nlp((a, b)).label for a, b, _ in pairs] == [c for _, _, c in pairs]


def questions(path: Path, *, filling: int) -> tuple[DataFile, ...]:
    context = "他在北京。" + "春去秋来。" * filling + "她在上海。"
    spans = {"他在哪": [2, 4], "她在哪": [len(context) - 3, len(context) - 1]}
    return records(path, [{"question": q, "context": context, "answers": [span]} for q, span in spans.items()])


def test_an_answer_is_pointed_at_in_the_windows_that_have_it_and_the_others_point_at_their_first_piece(
    tmp_path: Path,
) -> None:
    files = questions(tmp_path / "train.jsonl", filling=20)
    setup = prepared(options(tmp_path, "answer", files, window=48))
    examples = setup.examples("train")
    gathered = examples.gather(np.arange(len(examples)))
    strings = setup.tokenizer.strings(gathered.ids)  # type: ignore[attr-defined]
    pointed = [
        "".join(strings[start + first : start + last + 1])
        for start, (first, last) in zip(gathered.bounds[:-1], gathered.targets["answer"], strict=True)
    ]
    assert len(examples) > 4
    assert set(pointed) == {"北京", "上海", "[CLS]"}


def test_answers_are_learnt_and_read_by_the_answerer(tmp_path: Path) -> None:
    contexts = ("他在北京。春去秋来。", "春去秋来。她去上海。")
    lines = [
        {"question": "哪里", "context": context, "answers": [[start, start + 2]]}
        for context, start in zip(contexts, (2, 7), strict=True)
    ]
    files = records(tmp_path / "train.jsonl", lines)
    result = train(options(tmp_path, "answer", files, validation=files, eval_strategy="epoch", max_steps=80))
    assert result.table[-1]["accuracy"] == 1.0
    answer = lexel.Answerer.load(tmp_path / "out", precision="float32")("哪里", contexts[0]).best
    assert answer is not None
    assert answer.text == "北京"
    assert transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path / "out").config.model_type == "bert"


def test_the_loss_of_answers_is_a_cross_entropy_over_each_sequence() -> None:
    torch.manual_seed(0)
    scores, segments = torch.randn(9, 2), torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    places = torch.tensor([[1, 2], [3, 6]])
    expected = sum(
        torch.nn.functional.cross_entropy(scores[segments == i, k][None], places[i, k][None] - offset) / 2
        for i, offset in enumerate((0, 3))
        for k in (0, 1)
    )
    assert float(answer_loss(scores, places, segments)) == pytest.approx(float(expected), rel=1e-5)


def test_a_class_outside_the_set_is_named_with_its_place(tmp_path: Path) -> None:
    files = classified(tmp_path / "train.jsonl")
    heads = {"classify": HeadOptions(task="classify", labels=("花",))}
    with pytest.raises(LabelError, match=r"水 \(6, first in record 2 of"):
        train(options(tmp_path, "classify", files, heads=heads))


def test_a_head_for_whole_texts_is_trained_alone(tmp_path: Path) -> None:
    files = classified(tmp_path / "train.jsonl")
    heads = {"classify": HeadOptions(task="classify"), "words": HeadOptions(task="words")}
    with pytest.raises(OptionError, match="classify, words; a head for classify"):
        train(options(tmp_path, "classify", files, heads=heads))


@pytest.mark.parametrize("pooling", ["attention", "dense", "both"])
def test_vectors_are_learnt_from_classes_and_read_by_the_embedder(tmp_path: Path, pooling: Any) -> None:
    files = classified(tmp_path / "train.jsonl")
    heads = {"embed": HeadOptions(task="embed", pooling=pooling)}
    result = train(options(tmp_path, "embed", files, heads=heads, validation=files, eval_strategy="epoch"))
    assert result.table[-1]["accuracy"] == 1.0
    embedder = lexel.Embedder.load(tmp_path / "out", engine="numpy")
    flower, river, stream, other = embedder.encode(list(COLOURS))
    assert "head embed" in embedder.plan.said
    alike = min(cosine(flower, other), cosine(river, stream))
    apart = max(cosine(one, two) for one in (flower, other) for two in (river, stream))
    assert alike > apart


def cosine(one: Any, other: Any) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("pooling", ["attention", "dense", "both"])
def test_a_vector_is_the_same_in_training_and_in_the_saved_folder(tmp_path: Path, pooling: Any) -> None:
    files = classified(tmp_path / "train.jsonl")
    heads = {"vectors": HeadOptions(task="embed", pooling=pooling, dimensions=None if pooling == "attention" else 8)}
    own = options(tmp_path, "embed", files, heads=heads, max_steps=3)
    train(own)
    setup = prepared(replace(own, model=str(tmp_path / "out"), tokenizer=None, config={}, pieces=None))
    model = build_model(setup).eval()
    batch = RowBuilder(
        setup.examples("train"), setup.heads, special=setup.tokenizer.special, vocab_size=setup.config.vocab_size
    ).build([(64, np.arange(4))], None)
    target = batch.targets["vectors"]
    with torch.no_grad():
        expected = model.head("vectors").vectors(model.encode(batch)[target.slots], target.pools).numpy()
    found = lexel.Embedder.load(tmp_path / "out", engine="numpy").encode(list(COLOURS))
    assert found.shape == (4, 32 if pooling == "attention" else 8)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_vectors_learn_from_one_class_of_one_text(tmp_path: Path) -> None:
    several = records(tmp_path / "several.jsonl", [{"text": "红花", "labels": ["花", "红"]}])
    with pytest.raises(LabelError, match="several or none a text; embed learns one class a text"):
        train(options(tmp_path, "embed", several))
    pairs = records(tmp_path / "pairs.jsonl", [{"text": "红花", "text_pair": "绿", "label": "花"}])
    with pytest.raises(DataError, match=r"pairs\.jsonl:1: a pair of texts; expected one text"):
        train(options(tmp_path, "embed", pairs))


def test_dimensions_are_those_of_a_dense_map() -> None:
    with pytest.raises(OptionError, match="dimensions: 8, task embed, pooling attention"):
        HeadOptions(task="embed", pooling="attention", dimensions=8)

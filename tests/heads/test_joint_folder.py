"""One folder may carry heads of every task on one encoder; each is read by itself, and only those asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.heads import read_dense
from lexel.errors import LabelError, WeightError
from lexel.tasks.answer import Answerer
from lexel.tasks.base import Flow, gather_blocks
from lexel.tasks.classify import Classifier
from lexel.tasks.embed import Embedder
from lexel.tasks.fill import Filler
from lexel.tasks.framing import decided, everything, firsts
from lexel.tasks.loading import find_head
from lexel.tasks.tag import Tagger
from tests.builders import VOCAB, WORDS, bert_config, bert_tensors, write_folder, write_json

HIDDEN = 16
TEXTS = ["天下的人", "new york live", "", "王小明" * 50]
HEADS: Mapping[str, dict[str, Any]] = {
    "words": {"task": "words", "labels": list(WORDS), "scheme": "BI"},
    "topic": {"task": "classify", "labels": ["sports", "law", "art"], "problem": "multi"},
    "answer": {"task": "answer"},
    "fill": {"task": "fill"},
    "embed": {"task": "embed"},
}
SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "words": {"weight": (2, HIDDEN), "bias": (2,)},
    "topic": {
        "dense.weight": (HIDDEN, HIDDEN),
        "dense.bias": (HIDDEN,),
        "out_proj.weight": (3, HIDDEN),
        "out_proj.bias": (3,),
    },
    "answer": {"weight": (2, HIDDEN), "bias": (2,)},
    "fill": {
        "dense.weight": (HIDDEN, HIDDEN),
        "dense.bias": (HIDDEN,),
        "layer_norm.weight": (HIDDEN,),
        "layer_norm.bias": (HIDDEN,),
        "bias": (len(VOCAB),),
    },
    "embed": {"attention.weight": (1, HIDDEN), "attention.bias": (1,), "dense.weight": (8, HIDDEN), "dense.bias": (8,)},
}

Tensors = dict[str, NDArray[np.float32]]


def build_joint(folder: Path, *, without: tuple[str, ...] = (), without_parts: tuple[str, ...] = ()) -> Tensors:
    """A folder with every kind of head, without some heads' or other tensors; gives the heads' tensors."""
    random = np.random.default_rng(4)
    heads = {
        f"heads.{name}.{part}": random.normal(size=shape).astype(np.float32)
        for name, shapes in SHAPES.items()
        for part, shape in shapes.items()
    }
    config = bert_config(vocab_size=len(VOCAB), hidden_size=HIDDEN, hidden_act="relu")
    kept = {
        name: tensor
        for name, tensor in heads.items()
        if name.split(".")[1] not in without and name not in without_parts
    }
    write_folder(folder, config, bert_tensors(config, {}, seed=2) | kept, VOCAB)
    entries = {name: {**entry, "prefix": f"heads.{name}"} for name, entry in HEADS.items()}
    write_json(folder / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": entries})
    return heads


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, Tensors]:
    folder = tmp_path_factory.mktemp("joint")
    tensors = build_joint(folder)
    return open_checkpoint(folder), tensors


def outputs(checkpoint: Checkpoint, name: str, *, engine: str = "numpy", at_first: bool = False) -> NDArray[Any]:
    """One output at every piece, or at first pieces, with only that output loaded."""
    precision = "auto" if engine == "numpy" else "float32"
    started = start_engine(checkpoint, EngineOptions(engine, precision, 1), heads=[name])
    flow = Flow("joint", checkpoint, started, outputs=[name])
    picks = firsts if at_first else decided
    blocks = flow.read(gather_blocks(TEXTS), picks=picks, read_empty=at_first)
    return np.concatenate([block.readings["joint"].scores[name] for block in blocks])


def expected(name: str, states: NDArray[Any], tensors: Tensors, checkpoint: Checkpoint) -> NDArray[Any]:
    """What a head gives, by hand."""
    own = {part.removeprefix(f"heads.{name}."): value.astype(np.float64) for part, value in tensors.items()}
    if name == "topic":
        dense = np.tanh(states @ own["dense.weight"].T + own["dense.bias"])
        return np.asarray(dense @ own["out_proj.weight"].T + own["out_proj.bias"])
    if name == "fill":
        dense = np.maximum(states @ own["dense.weight"].T + own["dense.bias"], 0)
        centred = dense - dense.mean(axis=1, keepdims=True)
        norm = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
        table = checkpoint.open_weights().tensor("bert.embeddings.word_embeddings.weight", (len(VOCAB), HIDDEN))
        return np.asarray((norm * own["layer_norm.weight"] + own["layer_norm.bias"]) @ table.T + own["bias"])
    part = "attention." if name == "embed" else ""
    return np.asarray(states @ own[f"{part}weight"].T + own[f"{part}bias"])


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("engine", ["numpy", "openvino", "torch"])
def test_each_head_is_computed_by_itself(joint: tuple[Checkpoint, Tensors], name: str, engine: str) -> None:
    checkpoint, tensors = joint
    at_first = name == "topic"
    states = outputs(checkpoint, "hidden.2", at_first=at_first)
    found = outputs(checkpoint, name, engine=engine, at_first=at_first)
    by_hand = expected(name, states, tensors, checkpoint)
    assert found.shape == by_hand.shape
    assert np.abs(found - by_hand).max() <= (1e-9 if engine == "numpy" else 1e-5) * np.abs(by_hand).max()


def test_the_class_for_each_task_reads_one_folder(joint: tuple[Checkpoint, Tensors]) -> None:
    checkpoint, tensors = joint
    document = Tagger.load(checkpoint, engine="numpy")("天下的人")
    assert "".join(document.words.texts) == "天下的人"
    found = Classifier.load(checkpoint, engine="numpy")("天下的人")
    assert {label for label, _ in found.ranked} == {"sports", "law", "art"}
    assert all(0 < score < 1 for _, score in found.ranked)  # sigmoids, as its problem is multi
    (blank,) = Filler.load(checkpoint, engine="numpy")("天下[MASK]人").blanks
    assert sum(one.prob for one in blank.candidates) <= 1
    assert len({one.filled for one in blank.candidates}) == 5
    best = Answerer.load(checkpoint, engine="numpy")("人在哪", "天下的人").best
    assert best is not None
    assert best.text == "天下的人"[best.start : best.end]
    vector = Embedder.load(checkpoint, engine="numpy")("天下的人").vector
    assert np.abs(vector - vector_by_hand(checkpoint, tensors, "天下的人")).max() < 1e-5


def vector_by_hand(checkpoint: Checkpoint, tensors: Tensors, text: str) -> NDArray[Any]:
    """Pieces, special ones too, weighed by a softmax of their shares, then the dense map with tanh."""
    engine = start_engine(checkpoint, EngineOptions("numpy"), heads=["hidden.2"])
    flow = Flow("joint", checkpoint, engine, outputs=["hidden.2"])
    (block,) = flow.read(gather_blocks([text]), picks=everything)
    states = block.readings["joint"].scores["hidden.2"]
    own = {part.removeprefix("heads.embed."): value for part, value in tensors.items() if ".embed." in part}
    shares = np.exp(states @ own["attention.weight"][0] + own["attention.bias"])
    pooled = (states * shares[:, None]).sum(axis=0) / shares.sum()
    return np.asarray(np.tanh(own["dense.weight"] @ pooled + own["dense.bias"]))


def test_the_dense_map_behind_a_pooling_is_read_apart(joint: tuple[Checkpoint, Tensors]) -> None:
    checkpoint, tensors = joint
    dense = read_dense(checkpoint.heads["embed"], checkpoint.open_weights(), hidden_size=HIDDEN)
    assert dense is not None
    assert np.array_equal(dense[0], tensors["heads.embed.dense.weight"])
    assert np.array_equal(dense[1], tensors["heads.embed.dense.bias"])


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_is_not_asked_for_is_not_looked_at(tmp_path: Path, name: str) -> None:
    build_joint(tmp_path, without=(name,))
    checkpoint = open_checkpoint(tmp_path)
    others = [other for other in HEADS if other != name]
    start_engine(checkpoint, EngineOptions("numpy"), heads=others)
    with pytest.raises(WeightError, match=rf"no tensor 'heads\.{name}\."):
        start_engine(checkpoint, EngineOptions("numpy"), heads=[name])


def test_a_head_with_a_dense_map_alone_is_none_of_an_engines(tmp_path: Path) -> None:
    build_joint(tmp_path, without_parts=("heads.embed.attention.weight", "heads.embed.attention.bias"))
    checkpoint = open_checkpoint(tmp_path)
    start_engine(checkpoint, EngineOptions("numpy"))  # all heads
    assert Embedder.load(checkpoint, engine="numpy")("天下的人").vector.shape == (8,)


def test_a_block_without_a_piece_has_scores_as_wide_as_the_head(joint: tuple[Checkpoint, Tensors]) -> None:
    checkpoint, _ = joint
    names = [*HEADS, "hidden.1"]
    flow = Flow("joint", checkpoint, start_engine(checkpoint, EngineOptions("numpy"), heads=names), outputs=names)
    (block,) = flow.read(gather_blocks([""]))
    widths = {name: scores.shape for name, scores in block.readings["joint"].scores.items()}
    assert list(widths.values()) == [(0, 2), (0, 3), (0, 2), (0, len(VOCAB)), (0, 1), (0, HIDDEN)]


@pytest.mark.parametrize(("task", "name"), [("fill", "fill"), ("classify", "topic"), ("answer", "answer")])
def test_a_head_is_found_by_its_task(joint: tuple[Checkpoint, Tensors], task: str, name: str) -> None:
    assert find_head(joint[0], task).name == name
    with pytest.raises(LabelError, match=rf"no head 'other' for {task}; it has words \(words\), which Tagger reads"):
        find_head(joint[0], task, name="other")


def test_of_several_heads_for_a_task_one_must_be_named(tmp_path: Path) -> None:
    build_joint(tmp_path)
    path = tmp_path / "lexel.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["heads"]["genre"] = {**values["heads"]["topic"], "prefix": "heads.genre"}
    write_json(path, values)
    checkpoint = open_checkpoint(tmp_path)
    with pytest.raises(LabelError, match="has several heads for classify: topic, genre; say which with head="):
        Classifier.load(checkpoint)
    assert Classifier.load(checkpoint, engine="numpy", head="topic").head.name == "topic"


def test_a_tensor_of_no_head_is_still_refused(tmp_path: Path) -> None:
    build_joint(tmp_path)
    values = json.loads((tmp_path / "lexel.json").read_text(encoding="utf-8"))
    del values["heads"]["topic"]
    write_json(tmp_path / "lexel.json", values)
    with pytest.raises(WeightError, match=r"4 tensors belong to no part .* heads\.topic\.dense\.bias"):
        Tagger.load(tmp_path, engine="numpy")

"""Vectors learnt from a teacher's: how a student pools, how near it comes, what it keeps, what it is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lexel import Embedder
from lexel.checkpoint.sentence_transformers import Dense, Scale, SentenceModules, Step
from lexel.errors import OptionError
from lexel.evaluation.cost.agreement import vector_agreement
from lexel.evaluation.cost.cost import Agreement
from lexel.tasks.pooling import Pool, apply_steps
from lexel.tasks.slot_positions import SlotPositions
from lexel.training import train
from lexel.training.config.options import DataFile, DistillOptions, HeadOptions, TrainingOptions
from lexel.training.model.vectors import SentenceHead
from lexel.training.objective.losses import vector_loss
from tests.builders import CHARS, build_sentence_model
from tests.training import runs
from tests.training.data.test_text_examples import COLOURS, classified, records
from tests.training.data.test_text_examples import options as text_options

EMBED = {"embed": HeadOptions(task="embed")}
HIDDEN = 32


def sentences(n: int, *, seed: int) -> list[str]:
    """Texts of random characters that the teachers know."""
    draw = random.Random(seed)
    return ["".join(draw.choices(CHARS, k=draw.randint(4, 16))) for _ in range(n)]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny sentence encoder that pools by the mean."""
    return build_sentence_model(tmp_path_factory.mktemp("teachers") / "mean", hidden_size=HIDDEN)


def teacher_key(folder: Path, teacher: Path, **changes: Any) -> TrainingOptions:
    """A student of one layer, from raw text."""
    path = folder / "text.txt"
    path.write_text("".join(f"{text}\n" for text in sentences(150, seed=1)), encoding="utf-8")
    same: dict[str, Any] = {
        "train": (DataFile(path=str(path)),),
        "teacher": str(teacher),
        "tokenizer": None,
        "pieces": None,
        "heads": EMBED,
        "config": {"num_hidden_layers": 1},
        "distill": DistillOptions(gold_weight=0),
    }
    return runs.options(folder, **same | changes)


def agreement(teacher: Path, student: Path, *, texts: Sequence[str] = ()) -> Agreement:
    """How far their vectors of texts agree, by default of some that were not learnt from."""
    before, after = (Embedder.load(folder, engine="numpy") for folder in (teacher, student))
    found = vector_agreement(before, after, texts or sentences(120, seed=2))
    assert found is not None
    return found


# How it pools --------------------------------------------------------------------------------------------------------


def pooled_as_for_prediction(modules: SentenceModules, states: np.ndarray, pools: np.ndarray) -> np.ndarray:
    counts = np.bincount(pools)
    place = np.concatenate([np.arange(1, n + 1) for n in counts])
    pool = Pool(modules.pooling, n_groups=len(counts), size=states.shape[1])
    pool.add(states, SlotPositions(pools, pools, place, counts[pools]))
    return apply_steps(pool.vectors(), modules.steps)


def assert_pools_alike(modules: SentenceModules) -> None:
    __tracebackhide__ = True
    draw = np.random.default_rng(0)
    pools = np.repeat(np.arange(4), [5, 1, 3, 7])
    states = draw.normal(size=(len(pools), 6)).astype(np.float32)
    found = SentenceHead(6, 0, modules=modules).vectors(torch.from_numpy(states), torch.from_numpy(pools))
    np.testing.assert_allclose(found.numpy(), pooled_as_for_prediction(modules, states, pools), atol=1e-5)


@pytest.mark.parametrize("way", ["mean", "cls", "max", "mean_sqrt_len", "weighted_mean", "last"])
def test_every_way_to_pool_is_that_of_prediction(way: Any) -> None:
    assert_pools_alike(SentenceModules((way,)))


def matrix(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


STEPS: dict[str, tuple[Step, ...]] = {
    "length 1": ("normalise",),
    "tanh": (Dense(matrix(5, 12), matrix(5), "tanh"), "normalise"),
    "relu": (Dense(matrix(5, 12), None, "relu"),),
    "sigmoid": (Dense(matrix(5, 12), matrix(5), "sigmoid", matrix(5, 12)),),
    "silu": (Dense(matrix(12, 12), matrix(12), "silu", "same"),),
    "identity": (Dense(matrix(5, 12), matrix(5), "identity"),),
    "layer norm": (Scale(matrix(12), matrix(12)), "normalise"),
}


@pytest.mark.parametrize("steps", STEPS)
def test_what_follows_pooling_is_that_of_prediction(steps: str) -> None:
    assert_pools_alike(SentenceModules(("cls", "mean"), steps=STEPS[steps]))


# What it learns ------------------------------------------------------------------------------------------------------


def test_vectors_cost_by_their_directions_alone() -> None:
    vectors = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert float(vector_loss(vectors, 7 * vectors)) == pytest.approx(0, abs=1e-6)
    assert float(vector_loss(vectors, -vectors)) == pytest.approx(4)
    assert float(vector_loss(vectors, torch.tensor([[4.0, -3.0], [1.0, 0.0]]))) == pytest.approx(2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_student_comes_nearer_to_its_teacher_than_it_begins(tmp_path: Path, teacher: Path, seed: int) -> None:
    distill = DistillOptions(gold_weight=0, hidden_weight=0)
    begun = teacher_key(
        tmp_path, teacher, seed=seed, max_steps=1, learning_rate=1e-12, output_dir=str(tmp_path / "begun")
    )
    learnt = teacher_key(tmp_path, teacher, seed=seed, max_steps=60, learning_rate=3e-3, distill=distill)
    before, after = (agreement(teacher, train(options).folder) for options in (begun, learnt))
    assert before.cosine is not None
    assert after.cosine is not None
    assert 1 - after.cosine.value < 0.1 * (1 - before.cosine.value)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_student_with_its_teacher_comes_nearer_to_it_than_the_same_student_without_it(
    tmp_path: Path, seed: int
) -> None:
    files = classified(tmp_path / "train.jsonl")
    heads = {"embed": HeadOptions(task="embed", dimensions=8)}
    whole = train(text_options(tmp_path, "embed", files, heads=heads, output_dir=str(tmp_path / "whole"))).folder
    config = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    same: dict[str, Any] = {"seed": seed, "max_steps": 60, "learning_rate": 3e-3}
    student = train(teacher_key(tmp_path, whole, train=files, config=config, distill=DistillOptions(), **same)).folder
    small = runs.CONFIG | config
    changes: dict[str, Any] = {"heads": heads, "config": small, "output_dir": str(tmp_path / "alone")}
    alone = train(text_options(tmp_path, "embed", files, **changes, **same)).folder
    nearness = [agreement(whole, folder, texts=list(COLOURS)).cosine for folder in (student, alone)]
    assert nearness[0] is not None
    assert nearness[1] is not None
    assert nearness[0].value > nearness[1].value + 0.3


def test_a_narrower_students_vectors_are_near_to_what_the_teachers_are_near_to(tmp_path: Path, teacher: Path) -> None:
    same: dict[str, Any] = {"config": {"num_hidden_layers": 1, "hidden_size": 16}}
    learnt = teacher_key(tmp_path, teacher, max_steps=200, learning_rate=1e-2, **same)
    begun = teacher_key(tmp_path, teacher, max_steps=1, learning_rate=1e-12, output_dir=str(tmp_path / "begun"), **same)
    after, before = (agreement(teacher, train(options).folder) for options in (learnt, begun))
    assert (after.cosine, after.sizes) == (None, (HIDDEN, 16))
    assert after.nearest.value > before.nearest.value + 0.1


@pytest.mark.parametrize("pooling", ["attention", "dense", "both"])
def test_a_head_for_vectors_is_learnt_from_the_teachers(tmp_path: Path, pooling: Any) -> None:
    files = classified(tmp_path / "train.jsonl")
    dimensions = None if pooling == "attention" else 8
    heads = {"topic": HeadOptions(task="embed", pooling=pooling, dimensions=dimensions)}
    whole = train(text_options(tmp_path, "embed", files, heads=heads, output_dir=str(tmp_path / "whole"))).folder
    text = tmp_path / "colours.txt"
    text.write_text("\n".join([*COLOURS] * 3), encoding="utf-8")
    changes: dict[str, Any] = {
        "train": (DataFile(path=str(text)),),
        "heads": {"topic": HeadOptions(task="embed")},
        "config": {"num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 2},
        "distill": DistillOptions(gold_weight=0, hidden_weight=0),
    }
    result = train(teacher_key(tmp_path, whole, max_steps=60, learning_rate=3e-3, **changes))
    assert result.table[-1]["training_loss"] < 0.5 * result.table[0]["training_loss"]
    vectors = Embedder.load(result.folder, engine="numpy").encode(list(COLOURS))
    assert vectors.shape == (4, dimensions or 24)


def test_classes_of_the_data_are_learnt_beside_a_teachers_vectors(tmp_path: Path, teacher: Path) -> None:
    lines = [{"text": text * k, "label": text} for k in (1, 2, 3) for text in ("天地", "大上", "王小")]
    files = records(tmp_path / "classes.jsonl", lines)
    changes: dict[str, Any] = {"train": files, "validation": files, "eval_strategy": "epoch"}
    result = train(
        teacher_key(tmp_path, teacher, max_steps=60, learning_rate=3e-3, distill=DistillOptions(), **changes)
    )
    assert result.table[-1]["accuracy"] == 1.0


def test_texts_without_classes_are_not_measured_while_training(tmp_path: Path, teacher: Path) -> None:
    text = tmp_path / "other.txt"
    text.write_text("天地\n", encoding="utf-8")
    files = (DataFile(path=str(text)),)
    result = train(teacher_key(tmp_path, teacher, validation=files, eval_strategy="epoch", max_steps=2))
    assert "validation_loss" not in result.table[-1]


# What it keeps -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_students_folder_gives_its_vectors_in_sentence_transformers_too(tmp_path: Path, pooling: str) -> None:
    from sentence_transformers import SentenceTransformer

    teacher = build_sentence_model(tmp_path / "teacher", pooling=pooling)
    distill = DistillOptions(gold_weight=0, vocabulary=30)
    student = train(teacher_key(tmp_path, teacher, max_steps=3, distill=distill)).folder
    texts = [*sentences(9, seed=3), "the new york", ""]
    embedder = Embedder.load(student, engine="numpy")
    assert f"{pooling} of hidden.1 (as the model's files say)" in embedder.plan.said
    expected = SentenceTransformer(str(student), device="cpu").encode(texts)
    np.testing.assert_allclose(embedder.encode(texts), expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)


def test_windows_are_as_long_as_the_teachers_files_say(tmp_path: Path, teacher: Path) -> None:
    from tests.training.loop.test_learning import prepared

    text = tmp_path / "long.txt"
    text.write_text("天" * 100, encoding="utf-8")
    setup = prepared(teacher_key(tmp_path, teacher, train=(DataFile(path=str(text)),)))
    assert setup.max_length == 48
    assert setup.examples("train").lengths.max() == 48


def test_a_killed_run_ends_with_the_same_vectors_bit_by_bit(tmp_path: Path, teacher: Path) -> None:
    changes: dict[str, Any] = {
        "config": {"num_hidden_layers": 1, "hidden_size": 16},
        "save_strategy": "steps",
        "save_steps": 3,
        "max_steps": 7,
    }
    whole, halted = (teacher_key(tmp_path, teacher, **changes, output_dir=str(tmp_path / name)) for name in ("a", "b"))
    runs.run_apart(whole, tmp_path)
    assert runs.run_apart(halted, tmp_path, kill_at=5) != 0
    assert (tmp_path / "b" / "checkpoints" / "step-3").is_dir()
    runs.run_apart(halted, tmp_path)
    assert runs.weights(tmp_path / "a") == runs.weights(tmp_path / "b")


# What it is refused --------------------------------------------------------------------------------------------------


def test_a_teacher_that_says_nothing_of_vectors_is_refused(tmp_path: Path, teacher: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in teacher.iterdir():
        if path.is_file() and path.name != "modules.json":
            (bare / path.name).write_bytes(path.read_bytes())
    with pytest.raises(OptionError, match=r"heads\.embed: embed, which the teacher bare has no head for, nor modules"):
        train(teacher_key(tmp_path, bare))


def test_a_map_behind_the_pooling_keeps_the_teachers_width(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    teacher = build_sentence_model(tmp_path / "teacher")
    modules = json.loads((teacher / "modules.json").read_text(encoding="utf-8"))
    modules[2] |= {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (teacher / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (teacher / "2_Dense").mkdir()
    config = {"in_features": HIDDEN, "out_features": 8, "bias": False, "activation_function": "torch.nn.Tanh"}
    (teacher / "2_Dense" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"linear.weight": matrix(8, HIDDEN)}, teacher / "2_Dense" / "model.safetensors")
    narrower = teacher_key(tmp_path, teacher, config={"hidden_size": 16})
    with pytest.raises(OptionError, match=r"hidden size 16; the maps behind the teacher's pooling .* take 32"):
        train(narrower)
    student = train(teacher_key(tmp_path, teacher, max_steps=2)).folder
    assert Embedder.load(student, engine="numpy").encode(["天地"]).shape == (1, 8)


def test_vectors_are_learnt_alone(tmp_path: Path, teacher: Path) -> None:
    heads = EMBED | {"fill": HeadOptions(task="fill")}
    with pytest.raises(OptionError, match="embed, fill; a head for classify, answer or embed is trained alone"):
        train(teacher_key(tmp_path, teacher, heads=heads))


def test_a_class_outside_those_learnt_from_is_named(
    tmp_path: Path, teacher: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = records(tmp_path / "train.jsonl", [{"text": "天地", "label": "天"}, {"text": "大上", "label": "大"}])
    other = records(tmp_path / "dev.jsonl", [{"text": "王小", "label": "王"}])
    caplog.set_level("INFO", logger="lexel")
    train(teacher_key(tmp_path, teacher, train=files, validation=other))
    assert "王 (1, first in record 1 of" in caplog.text

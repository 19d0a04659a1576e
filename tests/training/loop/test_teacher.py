"""Learning from a teacher: what a student begins with, what it learns, what it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.source import bundled_folder
from lexel.errors import DataError, LabelError, OptionError
from lexel.tasks.gold import IGNORE
from lexel.training import train
from lexel.training.config.options import DataFile, DistillOptions, HeadOptions, TrainingOptions
from lexel.training.data.rows import Target, TeacherScores
from lexel.training.loop.teacher import teacher_layers
from lexel.training.objective.losses import log_softmax_within, soft_loss
from tests.training import runs
from tests.training.data.test_text_examples import COLOURS, classified, records
from tests.training.data.test_text_examples import options as text_options
from tests.training.loop.test_learning import prepared

LINES = (runs.DATA / "zh_gsdsimp.jsonl").read_text(encoding="utf-8").splitlines()
TEXTS = [json.loads(line)["text"] for line in LINES]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny tagger of three heads, trained for a few steps."""
    folder = tmp_path_factory.mktemp("teacher")
    return train(runs.options(folder, output_dir=str(folder / "tiny"))).folder


def plain_text(path: Path, texts: list[str]) -> tuple[DataFile, ...]:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return (DataFile(path=str(path)),)


def teacher_key(folder: Path, teacher: Path | str, **changes: Any) -> TrainingOptions:
    """A student of few steps from raw text."""
    texts = plain_text(folder / "text.txt", TEXTS[:40]) if "train" not in changes else ()
    same: dict[str, Any] = {"train": texts, "teacher": str(teacher), "tokenizer": None, "pieces": None, "config": {}}
    return runs.options(folder, **same | changes)


# What it learns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "steps", "rate", "margin"),
    [
        ({"num_hidden_layers": 1}, 40, 1e-3, 0.05),  # with the teacher's width, and what fits of its weights
        ({"num_hidden_layers": 1, "hidden_size": 64}, 150, 3e-3, 0.03),
    ],
)
def test_a_student_with_its_teacher_beats_the_same_student_without_it(
    tmp_path: Path, sizes: dict[str, int], steps: int, rate: float, margin: float
) -> None:
    gold = DataFile(path=str(runs.sentences(tmp_path / "gold.jsonl", n=40)), layers=("words",))
    dev = tmp_path / "dev.jsonl"
    dev.write_text("".join(f"{line}\n" for line in LINES[200:280]), encoding="utf-8")
    (text,) = plain_text(tmp_path / "text.txt", TEXTS[:200])
    same: dict[str, Any] = {
        "heads": {"words": HeadOptions(task="words")},
        "validation": (DataFile(path=str(dev)),),
        "eval_strategy": "epoch",
        "max_steps": steps,
        "learning_rate": rate,
        "warmup_steps": 10,
    }
    student = train(
        teacher_key(tmp_path, "zh", train=(gold, text), config=sizes, **same, output_dir=str(tmp_path / "taught"))
    )
    made = json.loads((student.folder / "config.json").read_text(encoding="utf-8"))
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings")
    config = {name: made[name] for name in names}
    changes = {"train": (gold,), "tokenizer": str(bundled_folder()), "config": config, **same}
    alone = train(runs.options(tmp_path, **changes, output_dir=str(tmp_path / "alone")))
    assert student.best is not None
    assert alone.best is not None
    assert student.best["value"] > alone.best["value"] + margin


@pytest.mark.parametrize("task", ["fill", "classify"])
def test_heads_that_do_not_tag_are_learnt_from_raw_text(tmp_path: Path, task: str) -> None:
    files = classified(tmp_path / "train.jsonl")
    changes = {"max_steps": 40} if task == "classify" else {"heads": {"fill": HeadOptions(task="fill")}}
    whole = train(text_options(tmp_path, task, files, **changes, output_dir=str(tmp_path / "whole"))).folder
    result = train(_of_raw_text(tmp_path, whole, task, plain_text(tmp_path / "text.txt", [*COLOURS] * 3)))
    assert result.table[-1]["training_loss"] < 0.5 * result.table[0]["training_loss"]
    if task == "classify":
        student = lexel.Classifier.load(result.folder, precision="float32")
        assert [student(text).label for text in COLOURS] == list(COLOURS.values())


def test_answers_are_learnt_from_the_teachers(tmp_path: Path) -> None:
    contexts = {"他在北京。春去秋来。": [2, 4], "春去秋来。她去上海。": [7, 9]}
    lines = [{"question": "哪里", "context": text, "answers": [span]} for text, span in contexts.items()]
    files = records(tmp_path / "train.jsonl", lines)
    whole = train(text_options(tmp_path, "answer", files, output_dir=str(tmp_path / "whole"))).folder
    result = train(_of_raw_text(tmp_path, whole, "answer", files))
    assert result.table[-1]["training_loss"] < 0.5 * result.table[0]["training_loss"]


def _of_raw_text(folder: Path, teacher: Path, task: str, train: tuple[DataFile, ...]) -> TrainingOptions:
    """A student of one layer, of what its teacher says alone."""
    changes: dict[str, Any] = {"heads": {task: HeadOptions(task=task)}, "max_steps": 60, "learning_rate": 3e-3}  # type: ignore[arg-type]
    distill = DistillOptions(gold_weight=0, hidden_weight=0)
    config = {"num_hidden_layers": 1, "hidden_size": 24, "num_attention_heads": 2}
    return teacher_key(folder, teacher, train=train, config=config, distill=distill, **changes)


def test_texts_without_classes_teach_by_the_teacher_alone(tmp_path: Path) -> None:
    whole = train(text_options(tmp_path, "classify", classified(tmp_path / "train.jsonl"), max_steps=2)).folder
    mixed = records(tmp_path / "mixed.jsonl", [{"text": "红花绿叶", "label": "花"}, {"text": "大江大河"}])
    setup = prepared(teacher_key(tmp_path, whole, train=mixed, heads={"classify": HeadOptions(task="classify")}))
    examples = setup.examples("train")
    assert examples.gather(np.arange(len(examples))).targets["classify"].tolist() == [
        setup.heads[0].labels.index("花"),
        IGNORE,
    ]


# What it begins with -------------------------------------------------------------------------------------------------


def test_a_student_of_its_teachers_size_begins_as_its_teacher(tmp_path: Path, teacher: Path) -> None:
    student = train(teacher_key(tmp_path, teacher, max_steps=1, learning_rate=1e-12)).folder
    before, after = load_file(teacher / "model.safetensors"), load_file(student / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(np.abs(before[name] - after[name]).max() < 1e-6 for name in before)


def test_fewer_layers_begin_as_the_teachers_at_their_height(tmp_path: Path, teacher: Path) -> None:
    changes = {"config": {"num_hidden_layers": 1}, "max_steps": 1, "learning_rate": 1e-12}
    student = load_file(train(teacher_key(tmp_path, teacher, **changes)).folder / "model.safetensors")
    whole = load_file(teacher / "model.safetensors")
    name = "bert.encoder.layer.{}.attention.self.query.weight"
    np.testing.assert_allclose(student[name.format(0)], whole[name.format(1)], atol=1e-6)
    assert name.format(1) not in student


@pytest.mark.parametrize(
    ("student", "whole", "layers"), [(4, 12, [2, 5, 8, 11]), (3, 4, [0, 2, 3]), (1, 4, [3]), (2, 2, [0, 1])]
)
def test_layers_are_evenly_spaced_and_end_with_the_last(student: int, whole: int, layers: list[int]) -> None:
    assert teacher_layers(student, whole) == layers


def test_a_cut_vocabulary_keeps_what_is_said_of_texts_that_it_covers(tmp_path: Path, teacher: Path) -> None:
    texts = plain_text(tmp_path / "some.txt", TEXTS[:10])
    options = teacher_key(
        tmp_path, teacher, train=texts, max_steps=1, learning_rate=1e-12, distill=DistillOptions(vocabulary=100_000)
    )
    student, whole = (lexel.load(folder, precision="float32") for folder in (train(options).folder, teacher))
    n_pieces, n_before = (tagger.flows[0].checkpoint.config.vocab_size for tagger in (student, whole))
    assert n_pieces == 5 + len({char for text in TEXTS[:10] for char in text if not char.isspace()})
    assert n_pieces < n_before
    for text in TEXTS[:10]:
        own, theirs = student(text), whole(text)
        assert [word[:4] for word in own.words] == [word[:4] for word in theirs.words]
        assert [span[:4] for span in own.entities] == [span[:4] for span in theirs.entities]


# The loop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_ends_with_the_same_weights_bit_by_bit(tmp_path: Path, teacher: Path, processes: int) -> None:
    changes: dict[str, Any] = {
        "config": {"num_hidden_layers": 1, "hidden_size": 16},
        "distill": DistillOptions(vocabulary=200, hidden_layers="all"),
        "save_strategy": "steps",
        "save_steps": 3,
        "bf16": True,
        "max_steps": 7,
    }
    whole, halted = (teacher_key(tmp_path, teacher, **changes, output_dir=str(tmp_path / name)) for name in ("a", "b"))
    runs.run_apart(whole, tmp_path, processes=processes)
    assert runs.run_apart(halted, tmp_path, processes=processes, kill_at=5) != 0
    assert (tmp_path / "b" / "checkpoints" / "step-3").is_dir()
    runs.run_apart(halted, tmp_path, processes=processes)
    assert runs.weights(tmp_path / "a") == runs.weights(tmp_path / "b")


def test_the_folder_has_the_students_weights_alone_and_names_its_teacher(tmp_path: Path, teacher: Path) -> None:
    student = train(teacher_key(tmp_path, teacher, config={"hidden_size": 16}, max_steps=1)).folder
    made = json.loads((student / "training.json").read_text(encoding="utf-8"))
    n = sum(tensor.size for tensor in load_file(student / "model.safetensors").values())
    assert made["model"]["parameters"] == made["model"]["trainable_parameters"] == n
    assert made["base"]["id"] == teacher.name
    assert open_checkpoint(student).heads.keys() == open_checkpoint(teacher).heads.keys()


# Losses --------------------------------------------------------------------------------------------------------------


def _target(scores: torch.Tensor, *, segments: torch.Tensor | None = None) -> Target:
    return Target(None, torch.zeros((2, 2), dtype=torch.int64), segments, TeacherScores(scores))


@pytest.mark.parametrize("problem", [None, "single", "regression"])
def test_scores_that_are_the_teachers_cost_nothing_and_others_do(problem: str | None) -> None:
    scores = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    same = soft_loss(scores, _target(scores), temperature=2.0, problem=problem)
    other = soft_loss(scores.flip(0), _target(scores), temperature=2.0, problem=problem)
    assert abs(float(same)) < 1e-5
    assert float(other) > 1


def test_of_several_labels_a_text_the_teachers_scores_cost_least() -> None:
    scores = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    soft_loss(scores, _target(scores.detach()), temperature=2.0, problem="multi").backward()
    assert scores.grad is not None
    assert scores.grad.abs().max() < 1e-6


def test_an_answers_places_are_compared_within_their_own_sequence() -> None:
    random = torch.Generator().manual_seed(0)
    own, wanted = torch.randn(7, 2, generator=random), torch.randn(7, 2, generator=random)
    segments = torch.tensor([0, 0, 0, 1, 1, 1, 2])  # the last is in no sequence
    found = soft_loss(own, _target(wanted, segments=segments), temperature=1.0, problem=None)
    expected = sum(
        float((wanted[part, k].softmax(0) * (wanted[part, k].log_softmax(0) - own[part, k].log_softmax(0))).sum())
        for part in (slice(0, 3), slice(3, 6))
        for k in (0, 1)
    )
    assert abs(float(found) - expected / 2) < 1e-5
    sums = log_softmax_within(own, segments, n=2).exp()
    np.testing.assert_allclose([sums[:3, 0].sum(), sums[3:6, 1].sum()], [1, 1], rtol=1e-5)


# What it is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"num_hidden_layers": 3}, "layers 3 beside 2"),
        ({"hidden_size": 64}, "hidden size 64 beside 32"),
        ({"intermediate_size": 128}, "inner size 128 beside 64"),
    ],
)
def test_a_student_larger_than_its_teacher_is_refused(
    tmp_path: Path, teacher: Path, config: dict[str, int], found: str
) -> None:
    with pytest.raises(OptionError, match=f"larger than its teacher .*{found}"):
        train(teacher_key(tmp_path, teacher, config=config))


@pytest.mark.parametrize(
    ("texts", "found"), [([], "holds no text"), (["  ", ""], "holds no text"), (["Привет, мир"] * 9, "are unknown to")]
)
def test_text_that_teaches_nothing_is_refused(tmp_path: Path, teacher: Path, texts: list[str], found: str) -> None:
    with pytest.raises(DataError, match=rf"text\.txt: .*{found}"):
        train(teacher_key(tmp_path, teacher, train=plain_text(tmp_path / "text.txt", texts)))


def test_a_head_that_the_teacher_lacks_needs_labelled_data(tmp_path: Path, teacher: Path) -> None:
    with pytest.raises(LabelError, match="has no pos"):
        train(teacher_key(tmp_path, teacher, heads={"tags": HeadOptions(task="labels")}))


def test_a_vocabulary_without_room_for_pieces_is_refused(tmp_path: Path, teacher: Path) -> None:
    with pytest.raises(OptionError, match="the special pieces alone are 5"):
        train(teacher_key(tmp_path, teacher, distill=DistillOptions(vocabulary=5)))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"temperature": 0}, "temperature: 0"),
        ({"label_weight": 0, "hidden_weight": 0}, "expected one of them above 0"),
        ({"hidden_layers": "first"}, "expected last or all"),
    ],
)
def test_a_value_out_of_its_range_is_refused(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(OptionError, match=found):
        DistillOptions(**changes)

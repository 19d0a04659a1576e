"""What a run would do: counts, overlap, ill-formed tags, steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lexel.errors import DataError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.start.plan import layers_of_data, plan_training
from tests.builders import WORDS, build_tagger

RECORDS = [
    {"text": "我在臺北", "words": [[0, 1], [1, 2], [2, 4]], "pos": ["Na", "D", "Na"], "entities": [[2, 4, "LOC"]]},
    {"text": "他們不在", "words": [[0, 2], [2, 3], [3, 4]], "pos": ["Na", "D", "VC"], "entities": []},
    {"text": "", "words": [], "pos": [], "entities": []},
]
ILL_FORMED = "new\tB-LOC\nyork\tI-LOC\n\nin\tO\nthe\tI-LOC\nnew\tI-PER\n"


def written(path: Path, *records: Any) -> DataFile:
    """A file of these records."""
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return DataFile(path=str(path))


def options(tmp_path: Path, train: DataFile, **more: Any) -> TrainingOptions:
    """Options of a run on a tiny model."""
    model = tmp_path / "model"
    if not model.exists():
        build_tagger(model, heads={"words": WORDS}, pieces="chars")
    values = {"heads": {"words": HeadOptions(task="words"), "entities": HeadOptions(task="entities")}, "threads": 1}
    return TrainingOptions(**{**values, "train": (train,), "output_dir": "out", "model": str(model), **more})


def test_layers_are_those_of_any_document(tmp_path: Path) -> None:
    plain = {"text": "我", "words": [[0, 1]]}
    assert layers_of_data(written(tmp_path / "a.jsonl", plain, RECORDS[0])) == ("words", "pos", "entities")
    assert layers_of_data(written(tmp_path / "b.jsonl", plain)) == ("words",)


def test_layers_can_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", *RECORDS).path
    assert layers_of_data(DataFile(path=path, layers=("entities",))) == ("entities",)


@pytest.mark.parametrize("name", ["a.tsv", "a.txt"])
def test_files_of_other_examples_have_no_layers(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text\tlabel\n", encoding="utf-8")
    assert layers_of_data(DataFile(path=str(tmp_path / name))) == ()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl"):
        layers_of_data(DataFile(path=str(tmp_path / "none.jsonl")))


def test_what_is_in_a_file_is_counted(tmp_path: Path) -> None:
    (census,) = plan_training(options(tmp_path, written(tmp_path / "a.jsonl", *RECORDS))).files
    found = (census.documents, census.chars, census.words, census.entities, census.empty, census.longest_chars)
    assert found == (3, 8, 6, 1, 1, 4)
    assert census.in_training is None


def test_texts_of_the_training_data_are_found_in_the_others(tmp_path: Path) -> None:
    train, dev = (written(tmp_path / name, *RECORDS[i:2]) for i, name in enumerate(("train.jsonl", "dev.jsonl")))
    other = written(tmp_path / "test.jsonl", {"text": "我不在", "words": [[0, 3]]})
    heads = {"words": HeadOptions(task="words")}
    counts = plan_training(options(tmp_path, train, validation=(dev,), test=(other,), heads=heads)).files
    assert [census.in_training for census in counts] == [None, 1, 0]


def test_ill_formed_tags_are_refused_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(ILL_FORMED, encoding="utf-8")
    with pytest.raises(
        DataError, match=r"a\.conll:5: tag 'I-LOC' is not allowed here.*2 tags of the file are ill-formed"
    ):
        plan_training(options(tmp_path, DataFile(path=str(path))))


def test_ill_formed_tags_are_counted_where_they_are_repaired(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(ILL_FORMED, encoding="utf-8")
    (census,) = plan_training(options(tmp_path, DataFile(path=str(path)), repair=True)).files
    assert (census.ill_formed, census.entities) == (2, 3)


def test_the_plan_says_labels_steps_and_sizes(tmp_path: Path) -> None:
    train = written(tmp_path / "a.jsonl", *RECORDS[:2] * 10)
    plan = plan_training(options(tmp_path, train, num_train_epochs=2.5, per_device_train_batch_size=4))
    assert (plan.n_windows, plan.steps_per_epoch, plan.n_steps) == (20, 5, 13)
    labels = {head.name: list(head.labels) for head in plan.heads}
    assert labels == {"words": [], "entities": [("LOC", 10)]}
    assert plan.n_trainable == plan.n_parameters
    assert plan.memory_bytes > 12 * plan.n_parameters
    assert any("steps: 13, 5 an epoch" in line for line in plan.lines())


def test_a_method_trains_fewer_numbers_in_less_memory(tmp_path: Path) -> None:
    train = written(tmp_path / "a.jsonl", *RECORDS[:2])
    full = plan_training(options(tmp_path, train))
    head = plan_training(options(tmp_path, train, method="head"))
    n_head = (16 + 1) * (2 + 3)
    assert (head.n_parameters, head.n_trainable) == (full.n_parameters, n_head)
    assert head.memory_bytes < full.memory_bytes


def test_classified_texts_are_planned_too(tmp_path: Path) -> None:
    records = [{"text": "我在臺北", "label": "yes"}, {"text": "他們不在", "label": "no"}]
    train = written(tmp_path / "a.jsonl", *records * 4)
    plan = plan_training(options(tmp_path, train, heads={"topic": HeadOptions(task="classify")}))
    assert (plan.files[0].documents, plan.n_windows) == (8, 8)
    assert list(plan.heads[0].labels) == [("no", 4), ("yes", 4)]


def test_long_documents_are_windows_and_said(tmp_path: Path) -> None:
    text = "我在臺北" * 40
    train = written(tmp_path / "a.jsonl", {"text": text, "words": [[0, len(text)]]})
    plan = plan_training(options(tmp_path, train, heads={"words": HeadOptions(task="words")}))
    assert plan.n_windows == plan.n_long + 1 > 1
    assert plan.window == 64


def test_a_metric_that_evaluation_does_not_give_is_a_problem(tmp_path: Path) -> None:
    file = written(tmp_path / "train.jsonl", *RECORDS)
    plan = plan_training(options(tmp_path, file, validation=(file,), metric_for_best_model="pos/f1"))
    (problem,) = plan.problems
    assert "metric_for_best_model: 'pos/f1'; expected one of" in problem
    assert "words/f1" in problem
    assert "entities/LOC/f1" in problem


def test_the_plan_lists_every_problem_it_finds(tmp_path: Path) -> None:
    train = written(tmp_path / "train.jsonl", *RECORDS)
    broken, other = tmp_path / "dev.conll", tmp_path / "test.conll"
    broken.write_text(ILL_FORMED, encoding="utf-8")
    other.write_text("x\ty\tz\tw\tv\n", encoding="utf-8")
    heads = {"words": HeadOptions(task="words"), "ner": HeadOptions(task="entities", labels=("O", "B-PER", "I-PER"))}
    files = {"validation": (DataFile(path=str(broken)),), "test": (DataFile(path=str(other)),)}
    plan = plan_training(options(tmp_path, train, heads=heads, **files))
    assert [problem.partition(":")[0] for problem in plan.problems] == [str(broken), str(other), "heads.ner"]
    assert "2 tags of the file are ill-formed" in plan.problems[0]
    assert [head.name for head in plan.heads] == ["words"]
    assert sum(line.startswith("problem: ") for line in plan.lines()) == 3


def test_a_label_of_the_validation_data_alone_is_noted_and_does_not_stop_the_run(tmp_path: Path) -> None:
    train, dev = written(tmp_path / "train.jsonl", RECORDS[0]), written(tmp_path / "dev.jsonl", RECORDS[1])
    heads = {"pos": HeadOptions(task="pos")}
    plan = plan_training(options(tmp_path, train, validation=(dev,), heads=heads))
    assert plan.problems == []
    (note,) = [note for note in plan.notes if note.startswith("validation")]
    assert "head pos has no label VC (1, first in record 1 of" in note
    assert "counted as missed" in note
    both = plan_training(options(tmp_path, train, validation=(dev,), heads=heads, labels_from="all"))
    assert [label for label, _ in both.heads[0].labels] == ["Na", "D"]
    assert any("3 labels" in note for note in both.notes)


def test_labels_that_a_rule_folds_away_name_the_rule(tmp_path: Path) -> None:
    record = {"text": "因為在", "words": [[0, 2], [2, 3]], "pos": ["SCONJ", "ADV"]}
    heads = {"pos": HeadOptions(task="pos", labels=("ADV", "PART"))}
    plan = plan_training(
        options(
            tmp_path, written(tmp_path / "a.jsonl", record, *[]), heads=heads | {"words": HeadOptions(task="words")}
        )
    )
    (problem,) = plan.problems
    assert "or fold them with --fold ud-zh-2.12 (in a recipe: data_fold: ud-zh-2.12)" in problem

"""Distillation in one call: trains a smaller model on the predictions of a larger one, and measures the loss.

cost = distill("my-model", "small", texts=["news.txt"], dev=["dev.jsonl"], sizes={"num_hidden_layers": 2})
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lexel.cards import write_card
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.sentence_transformers import is_sentence_folder
from lexel.engines.choose import EngineOptions
from lexel.errors import LabelError, OptionError
from lexel.evaluation.cost.cost import Cost
from lexel.evaluation.cost.measure import without_announcements
from lexel.evaluation.cost.student import Gold, student_cost
from lexel.names import LABELS_PIECES
from lexel.training.config.options import DataFile, DistillOptions, TrainingOptions
from lexel.training.config.recipe import build_options, read_words
from lexel.training.config.values import Value
from lexel.training.data.features import read_documents
from lexel.training.data.text_examples import classified_of, questions_of
from lexel.training.loop.fit import train
from lexel.training.model.student import texts_of
from lexel.training.outcome.finish import TELLING_SIZE
from lexel.training.outcome.record import without_folders

RECORD = "distillation.json"
_DEFAULTS: Mapping[str, Any] = {"learning_rate": 3e-4, "batch_pieces": 4096, "warmup_ratio": 0.05}
_OF_TEACHER = frozenset(field.name for field in fields(DistillOptions))

_logger = logging.getLogger("lexel")


def distill(
    teacher: str,
    folder: str,
    *,
    texts: Sequence[str] = (),
    data: Sequence[str] = (),
    dev: Sequence[str] = (),
    held_out: str | None = None,
    heads: Sequence[str] | None = None,
    sizes: Mapping[str, int] | None = None,
    **learning: Any,
) -> Cost:
    """Train a student of a teacher, and measure its loss and gain.

    Args:
        teacher: A model folder or a hub id.
        folder: The folder to make.
        texts: Files of text to learn from; their labels are ignored.
        data: Files of labelled data to also learn from.
        dev: Files of labelled data to score both on; for vectors, any text.
        held_out: File of text to compare decisions on; by default the text of ``dev``.
        heads: Heads of the teacher to keep; by default all tagging heads, or vectors.
        sizes: The student's sizes, such as ``{"num_hidden_layers": 2}``; by default the teacher's.
        **learning: Options of training (`TrainingOptions`) and of distilling (`DistillOptions`), by name.

    Raises:
        LabelError: If the teacher has no heads, or lacks a requested one.
        OptionError: If there is nothing to learn from, or a value is out of its range.
    """
    options = student_options(
        teacher, folder, texts=texts, data=data, dev=dev, heads=heads, sizes=sizes or {}, learning=learning
    )
    train(options)
    return measure_student(options, held_out=held_out)


def student_options(
    teacher: str,
    folder: str,
    *,
    texts: Sequence[str],
    data: Sequence[str],
    dev: Sequence[str],
    heads: Sequence[str] | None,
    sizes: Mapping[str, int],
    learning: Mapping[str, Any],
) -> TrainingOptions:
    """The options of training for a distillation; see `distill` for the arguments and errors."""
    if not (texts or data):
        raise OptionError("nothing to learn from; expected --text, or --data")
    tasks = _tasks_of(teacher, heads)
    makes_vectors = "embed" in tasks.values()
    asked = {name: Value({"task": Value(task, "--heads")}, "--heads") for name, task in tasks.items()}
    values = {name: _typed(name, str(value).lower()) for name, value in learning.items() if name not in _OF_TEACHER}
    distilling = {name: _typed(name, str(value)) for name, value in learning.items() if name in _OF_TEACHER}
    config = {name: _typed(name, str(value)) for name, value in sizes.items()}
    if not data:
        distilling["gold_weight"] = Value("0", "--data")
    values |= {
        "teacher": Value(teacher, "TEACHER", is_quoted=True),
        "output_dir": Value(folder, "OUT", is_quoted=True),
        "train": read_words("train", [*texts, *data], where="--text"),
        "validation": read_words("validation", list(dev), where="--dev"),
        "config": Value(config, "sizes"),
        "distill": Value(distilling, "distill"),
        "eval_strategy": Value("epoch" if dev and not makes_vectors else "no", "--dev"),
        "heads": Value(asked, "--heads"),
    }
    defaults = {name: Value(str(value), name) for name, value in _DEFAULTS.items()}
    options = build_options(defaults, values)
    train = (*map(_text_alone, options.train[: len(texts)]), *options.train[len(texts) :])
    scored = map(_text_alone, options.validation) if makes_vectors else options.validation
    return replace(options, train=train, validation=tuple(scored))


def _typed(name: str, value: str) -> Value:
    return Value(value, f"--{name.replace('_', '-')}")


def _text_alone(file: DataFile) -> DataFile:
    """A file whose labels are ignored."""
    return replace(file, layers=())


def _tasks_of(teacher: str, asked: Sequence[str] | None) -> dict[str, str]:
    """The tasks of the heads that the student keeps, by name; ``embed`` for a teacher of vectors without a head."""
    checkpoint = open_checkpoint(teacher)
    there: dict[str, str] = {name: head.task for name, head in checkpoint.heads.items()}
    if is_sentence_folder(checkpoint.source.folder) and "embed" not in there.values():
        there["embed"] = "embed"
    tagging = [name for name, task in there.items() if task in LABELS_PIECES]
    vectors = [name for name, task in there.items() if task == "embed"]
    names = tagging or vectors or list(there) if asked is None else list(asked)
    missing = [name for name in names if name not in there]
    if missing or not names:
        raise LabelError(
            f"{teacher}: no head {', '.join(missing) or 'at all'}; it has {', '.join(there) or 'none'}. Choose among "
            "them with --heads, or take a teacher with heads"
        )
    return {name: there[name] for name in names}


def measure_student(options: TrainingOptions, *, held_out: str | None = None) -> Cost:
    """Compare a trained student with its teacher, and write the result into its folder and card.

    Args:
        options: The options that it was trained with.
        held_out: File of text to compare decisions on; by default the text of the validation files.
    """
    gold = _gold(options)
    texts = gold.texts
    if held_out is not None:
        texts = list(texts_of(DataFile(path=held_out), options))
    elif not texts:
        _logger.info("note: decisions are compared on text of the training files; give --dev, or --held-out")
        texts = [text for file in options.train for text in texts_of(file, options)]
    assert options.teacher is not None
    both = open_checkpoint(options.teacher), open_checkpoint(options.output_dir, is_own=True)
    with without_announcements():
        cost = student_cost(*both, gold=gold, texts=texts, engines=(EngineOptions(threads=options.threads),) * 2)
    record = without_folders({"format": 1, "teacher": options.teacher, "cost": cost.record()})
    path = Path(options.output_dir) / RECORD
    path.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    write_card(options.output_dir, measure=cost.n_bytes >= 4 * TELLING_SIZE)
    return cost


def _gold(options: TrainingOptions) -> Gold:
    tasks = {head.task for head in options.heads.values()}
    files = options.validation
    names = {label: to for file in files for label, to in (file.label_map or {}).items()}
    if tasks & {"classify", "embed"}:
        reading = (classified_of(file, labelled="classify" in tasks) for file in files)
        return Gold(classified=[record for records in reading for record in records])
    if "answer" in tasks:
        return Gold(questions=[question for file in files for question in questions_of(file)])
    return Gold(documents=[document for file in files for document in read_documents(file)], label_map=names)

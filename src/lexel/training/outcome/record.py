"""``training.json`` and ``evaluation.json``: how a model was made, and how good it is, for its card and for people."""

from __future__ import annotations

import logging
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from lexel.data import FORMATS, fold_of
from lexel.data.classified import read_classified
from lexel.data.questions import read_questions
from lexel.errors import LexelError
from lexel.evaluation.reports.report import as_json
from lexel.evaluation.reports.text_report import as_json as texts_as_json
from lexel.evaluation.reports.text_report import describe_made
from lexel.evaluation.scores.provenance import describe_data, describe_run
from lexel.evaluation.scores.results import Report
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.scores.texts import evaluate_answerer, evaluate_classifier
from lexel.names import TAGGING
from lexel.tasks.answer import Answerer
from lexel.tasks.classify import Classifier
from lexel.tasks.tag import Tagger
from lexel.training.config.options import DataFile, as_plain
from lexel.training.data.features import Features, is_held_out, read_documents, shared_texts
from lexel.training.data.heads import label_counts
from lexel.training.outcome.save import base_of
from lexel.training.start.setup import Setup

FORMAT = 1
_LIBRARIES = ("lexel", "torch", "transformers", "tokenizers", "accelerate", "peft", "numpy")
ROLES = ("train", "validation", "test")


def training_record(setup: Setup, *, run: Mapping[str, Any], parameters: Mapping[str, int]) -> dict[str, Any]:
    """What ``training.json`` holds.

    Args:
        setup: What the run started from.
        run: What came of it: ``table``, ``best``, ``steps``, ``seconds`` ...
        parameters: Numbers in the model, and those that were trained.
    """
    config, options = setup.config, setup.options
    train = setup.files["train"]
    return {
        "format": FORMAT,
        "command": command(),
        "options": as_plain(options),
        "base": base_of(setup),
        "data": list(_data(setup)),
        "labels": {
            head.name: {
                "task": head.task,
                "scheme": None if head.label_set is None else head.label_set.scheme,
                "labels": _labels(head.labels, label_counts(head, train)),
            }
            for head in setup.heads
        },
        "model": {
            **parameters,
            "hidden_size": config.hidden_size,
            "num_hidden_layers": config.num_hidden_layers,
            "vocab_size": config.vocab_size,
        },
        **run,
        "dropped": 0,
        "overlap": {
            role: sum(shared_texts(features, train) for features in setup.files[role])
            for role in ("validation", "test")
            if setup.files[role]
        },
        "seed": options.seed,
        "warnings": setup.said,
    }


def command() -> str:
    """What was typed, or the program that called."""
    name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    name = "lexel" if name == "__main__.py" else name  # python -m lexel
    return shlex.join([name, *map(_without_folder, sys.argv[1:])])


def without_folders(values: Any) -> Any:
    """JSON values that may be published: absolute paths lose their folders, which are nobody else's business."""
    if isinstance(values, Mapping):
        return {key: without_folders(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [without_folders(value) for value in values]
    return " ".join(map(_without_folder, values.split(" "))) if isinstance(values, str) else values


def _without_folder(word: str) -> str:
    return Path(word).name if os.path.isabs(word) else word


def environment(*, threads: int, processes: int, precision: str) -> dict[str, Any]:
    """Where a model was made."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": threads,
        "processes": processes,
        "precision": precision,
        "versions": dict(_versions()),
    }


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    for library in _LIBRARIES:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            continue


def _data(setup: Setup) -> Iterator[dict[str, Any]]:
    for role in ROLES:
        for file, features in zip(getattr(setup.options, role), setup.files[role], strict=True):
            yield {"role": role, **_file(file, features)}


def _file(file: DataFile, features: Features) -> dict[str, Any]:
    about = features.about
    path = Path(file.path)
    return {
        "name": file.name or path.stem.partition(".")[0],
        "path": path.name if path.is_absolute() else file.path,
        "sha256": about["sha256"],
        "format": format_name(file),
        "weight": file.weight,
        "documents": about["documents"],
        "chars": about["chars"],
        "words": about["words"] if about["with"]["words"] else None,
        "entities": about["entities"] if about["with"]["entities"] else None,
        "examples": about["documents"],
        "licence": file.licence,
        "languages": [],
        "scripts": about["scripts"],
        "longest_chars": about["longest_chars"],
    }


def _labels(labels: Sequence[str], counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The data's labels by their counts, or a head's own where it has no others."""
    if not counts:
        return [{"label": label, "count": None, "example": None} for label in labels]
    ordered = sorted(counts.items(), key=lambda item: (-item[1].count, item[0]))
    return [{"label": label, "count": found.count, "example": found.example} for label, found in ordered]


def evaluate_folder(folder: Path, setup: Setup, *, name: str, threads: int) -> tuple[list[dict[str, Any]], list[str]]:
    """The reports of ``lexel evaluate`` on the labelled files of a run, and why some are not there.

    Args:
        folder: The saved folder.
        setup: What the run started from.
        name: What reports call the model.
        threads: Threads to compute with.
    """
    with _without_announcements():
        reader = _reader_of(folder, {head.task for head in setup.heads}, threads=threads)
    if reader is None:
        return [], []
    reports, said = [], []
    share = setup.options.dev_fraction
    if share and not isinstance(reader, Tagger):
        said.append("the share of the training texts that is held out was measured while training only")
        share = 0.0
    for role in ("validation", "test"):
        for file in setup.options.train if share and role == "validation" else getattr(setup.options, role):
            try:
                report = _evaluate_file(reader, file, setup, role=role)
            except LexelError as error:
                said.append(f"{role} {Path(file.path).name}: not evaluated: {error}")
                continue
            for model in report["models"]:
                model["name"] = name
            reports.append(report)
    return reports, said


@contextmanager
def _without_announcements() -> Iterator[None]:
    """Keep what a loaded model says of itself from a person who has just made it."""

    def refuse(_: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("lexel")
    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)


def _reader_of(folder: Path, tasks: set[str], *, threads: int) -> Tagger | Classifier | Answerer | None:
    """What reads a folder to measure it, if anything does."""
    if tasks & set(TAGGING):
        return Tagger.load(folder, precision="float32", threads=threads)
    if "classify" in tasks:
        return Classifier.load(folder, precision="float32", threads=threads)
    return Answerer.load(folder, precision="float32", threads=threads) if "answer" in tasks else None


def _evaluate_file(
    reader: Tagger | Classifier | Answerer, file: DataFile, setup: Setup, *, role: str
) -> dict[str, Any]:
    named = {"role": role, "name": file.name or Path(file.path).stem.partition(".")[0]}
    if isinstance(reader, Tagger):
        return _evaluate_documents(reader, file, setup, named=named)
    what: Literal["classes", "answers"] = "classes" if isinstance(reader, Classifier) else "answers"
    if isinstance(reader, Classifier):
        results = evaluate_classifier(reader, read_classified(file.path))
    else:
        results = evaluate_answerer(reader, read_questions(file.path))
    data = describe_data(file.path, format=what) | named
    made = describe_made(reader.flow, data, what=what, sampling=Sampling(), command=command())
    return texts_as_json(results, made=made)


def _evaluate_documents(tagger: Tagger, file: DataFile, setup: Setup, *, named: dict[str, str]) -> dict[str, Any]:
    options = EvaluationOptions(label_map=file.label_map or {}, given_words="words" not in tagger.layers)
    documents = read_documents(file, repair=setup.options.repair)
    share = setup.options.dev_fraction
    if share and named["role"] == "validation":
        documents = (document for document in documents if is_held_out(document.text, share))
    results = evaluate(tagger, documents, options=options)
    data = describe_data(file.path, format=format_name(file), fold=fold_name(file)) | named
    return as_json(Report(results, describe_run(tagger, options, command=command(), data=data)))


def format_name(file: DataFile) -> str:
    """What a file's format is called: one of documents, else the ending's."""
    if file.format:
        return file.format
    ending = os.path.splitext(file.path)[1].lower()
    return next((row.name for row in FORMATS.values() if ending in row.endings), ending.removeprefix("."))


def fold_name(file: DataFile) -> str | None:
    """The rule by which a file's tags are folded."""
    return None if not file.fold else fold_of(file.fold).name

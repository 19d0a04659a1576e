"""``evaluation.json``: the finished model on the validation and test files of its run."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any, Literal

from lexel.checkpoint import open_checkpoint
from lexel.errors import LexelError
from lexel.evaluation.cost.measure import without_announcements
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
from lexel.training.config.options import DataFile
from lexel.training.data.features import read_documents
from lexel.training.data.text_examples import classified_of, questions_of
from lexel.training.outcome.record import command, fold_name, format_name
from lexel.training.start.setup import Setup


def evaluate_folder(folder: Path, setup: Setup, *, name: str, threads: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Evaluate a saved folder on the validation and test files of its run, as ``lexel evaluate`` does.

    Args:
        folder: The saved folder.
        setup: The setup of the run.
        name: The model's name in the reports.
        threads: Threads to compute with.

    Returns:
        The reports, and a note for each file that could not be evaluated.
    """
    with without_announcements():
        reader = _reader_of(folder, {head.task for head in setup.heads}, threads=threads)
    if reader is None:
        return [], []
    reports, notes = [], []
    holdout = setup.holdout
    if holdout is not None and not isinstance(reader, Tagger):
        notes.append("the held-out training texts were evaluated during training only")
        holdout = None
    for role in ("validation", "test"):
        for file in setup.options.train if holdout and role == "validation" else getattr(setup.options, role):
            try:
                report = _evaluate_file(reader, file, setup, role=role)
            except LexelError as error:
                notes.append(f"{role} {Path(file.path).name}: not evaluated: {error}")
                continue
            for model in report["models"]:
                model["name"] = name
            reports.append(report)
    return reports, notes


def _reader_of(folder: Path, tasks: set[str], *, threads: int) -> Tagger | Classifier | Answerer | None:
    """Load the reader of the folder, if it has a head that is evaluated."""
    if tasks & set(TAGGING):
        return Tagger.load(open_checkpoint(folder, is_own=True), precision="float32", threads=threads)
    if "classify" in tasks:
        return Classifier.load(open_checkpoint(folder, is_own=True), precision="float32", threads=threads)
    if "answer" not in tasks:
        return None
    return Answerer.load(open_checkpoint(folder, is_own=True), precision="float32", threads=threads)


def _evaluate_file(
    reader: Tagger | Classifier | Answerer, file: DataFile, setup: Setup, *, role: str
) -> dict[str, Any]:
    named = {"role": role, "name": file.name or Path(file.path).stem.partition(".")[0]}
    if isinstance(reader, Tagger):
        return _evaluate_documents(reader, file, setup, named=named)
    what: Literal["classes", "answers"] = "classes" if isinstance(reader, Classifier) else "answers"
    if isinstance(reader, Classifier):
        results = evaluate_classifier(reader, classified_of(file))
    else:
        results = evaluate_answerer(reader, questions_of(file))
    data = describe_data(file.path, format=what) | named
    made = describe_made(reader.flow, data, what=what, sampling=Sampling(), command=command())
    return texts_as_json(results, made=made)


def _evaluate_documents(tagger: Tagger, file: DataFile, setup: Setup, *, named: dict[str, str]) -> dict[str, Any]:
    documents = read_documents(file, repair=setup.options.repair)
    first = next(documents, None)
    has_words = first is not None and "words" in first.layers
    given_words = "words" not in tagger.layers and ("pos" in tagger.layers or has_words)
    options = EvaluationOptions(label_map=file.label_map or {}, given_words=given_words)
    documents = chain([] if first is None else [first], documents)
    holdout = setup.holdout
    if holdout is not None and named["role"] == "validation":
        documents = (document for document in documents if holdout.has(document.text))
    results = evaluate(tagger, documents, options=options)
    data = describe_data(file.path, format=format_name(file), fold=fold_name(file)) | named
    return as_json(Report(results, describe_run(tagger, options, command=command(), data=data)))

"""Measures reports for a card on given data, and collects the facts of the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lexel.cards.facts import EVALUATION, keep
from lexel.checkpoint import open_checkpoint
from lexel.document import Document
from lexel.errors import DataError
from lexel.evaluation.reports.report import as_json
from lexel.evaluation.scores.provenance import describe_data, describe_run
from lexel.evaluation.scores.results import Report
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.verify.claimed_data import Labelled
from lexel.jsonfile import read_object
from lexel.tasks.tag import Tagger
from lexel.text.letters import count_scripts

FORMAT = 1


@dataclass(frozen=True, slots=True)
class CardData:
    """Labelled data to measure for a card.

    Attributes:
        file: The file.
        name: Its name in the card; by default, the file name without the ending.
        licence: Its licence.
        role: Its split.
        fold: A rule that folds its gold tags.
    """

    file: Labelled
    name: str | None = None
    licence: str | None = None
    role: str = "test"
    fold: str | None = None


def add_reports(
    folder: str | Path, sets: Sequence[CardData], *, command: str, sampling: Sampling | None = None
) -> list[Mapping[str, Any]]:
    """Measure a model on data and save the reports in ``evaluation.json``, replacing earlier ones on the same files.

    Args:
        folder: The model.
        sets: The data.
        command: The command line, or the call.
        sampling: How intervals are computed.

    Raises:
        DataError: If data cannot be read, or has no layer of the model.
        LabelError: If the model does not tag, or has none of the labels.
    """
    tagger = Tagger.load(open_checkpoint(folder, is_own=True), precision="float32")
    tags_words = "pos" in tagger.layers and "words" not in tagger.layers  # trained on given words
    options = EvaluationOptions(sampling=sampling or Sampling(), given_words=tags_words)
    made = [_report(tagger, data, options=options, command=command) for data in sets]
    path = Path(folder) / EVALUATION
    earlier = read_object(path).get("reports", []) if path.is_file() else []
    measured = {report["data"]["sha256"] for report in made}
    kept = [report for report in earlier if (report.get("data") or {}).get("sha256") not in measured]
    keep(path, {"format": FORMAT, "reports": [*kept, *made]})
    return [*kept, *made]


def _report(tagger: Tagger, data: CardData, *, options: EvaluationOptions, command: str) -> dict[str, Any]:
    counts = _Counts()
    results = evaluate(tagger, counts.watch(data.file.read(data.fold)), options=options)
    if not results.has_scores:
        why = "; ".join(f"{layer}: {reason}" for layer, reason in results.absent.items())
        raise DataError(f"{data.file.path}: nothing to score ({why}); expected labels of a layer that the model reads")
    described = describe_data(data.file.path, format=data.file.format, fold=data.fold)
    described |= {"name": data.name or Path(data.file.path).stem, "licence": data.licence, "role": data.role}
    return as_json(Report(results, describe_run(tagger, options, command=command, data=described | counts.facts())))


@dataclass(slots=True)
class _Counts:
    """The size of data for a card, counted while reading."""

    documents: int = 0
    chars: int = 0
    words: int = 0
    entities: int = 0
    longest: int = 0
    scripts: Counter[str] = field(default_factory=Counter)

    def watch(self, documents: Iterable[Document]) -> Iterator[Document]:
        for document in documents:
            self.documents += 1
            self.chars += len(document.text)
            self.words += len(document.words)
            self.entities += len(document.all_entities)
            self.longest = max(self.longest, len(document.text))
            self.scripts.update(count_scripts(document.text))
            yield document

    def facts(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "chars": self.chars,
            "words": self.words or None,
            "entities": self.entities or None,
            "longest_chars": self.longest,
            "scripts": dict(self.scripts.most_common()),
        }

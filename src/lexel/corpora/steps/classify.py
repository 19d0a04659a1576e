"""``classify``: classifies texts, with a trained classifier or with any labels (zero-shot)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lexel.corpora.steps.base import Apply, Machine, Shard, Step, texts_of
from lexel.data.records import Record
from lexel.tasks.classify import Classifier
from lexel.tasks.zero_shot import ZeroShotClassifier


@dataclass(frozen=True)
class Classify(Step):
    """Write the class of a text and its score into fields, and optionally filter by class.

    Attributes:
        model: A folder or hub id.
        labels: Classes for a zero-shot classifier; empty for the model's own classes.
        keep: Classes to keep; empty keeps all.
        least: Drop records with a lower score.
        field: The field for the class; its score goes into ``FIELD_score``.
    """

    name = "classify"
    is_model_step = True

    model: str
    labels: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    least: float | None = None
    field: str = "label"

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        classify = self._classifier(machine)

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            kept = []
            for record, found in shard.sound(records, classify(texts_of(records))):
                shard.count("labels", [found.label])
                is_wanted = not self.keep or found.label in self.keep
                if is_wanted and (self.least is None or found.score >= self.least):
                    score = round(found.score, 4)
                    kept.append(record.with_fields(**{self.field: found.label, f"{self.field}_score": score}))
            return kept

        return apply

    def _classifier(self, machine: Machine) -> Any:
        if self.labels:
            zero_shot = ZeroShotClassifier.load(self.model, **machine.loading)
            labels = list(self.labels)

            def by_hypotheses(texts: Iterable[str]) -> Iterator[Any]:
                return zero_shot.stream(texts, labels, live=False, on_error="yield")

            return by_hypotheses
        classifier = Classifier.load(self.model, **machine.loading)
        return lambda texts: classifier.stream(texts, live=False, on_error="yield")

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        return (self.model,)

"""``language``: detects the language of a text, with py3langid (97 languages)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.data.records import Record
from lexel.errors import MissingExtra

_MOST_CHARS = 2_000
"""Maximum number of characters to read; more do not change the result."""


@dataclass(frozen=True)
class Language(Step):
    """Detect the language, and optionally filter by it.

    Attributes:
        keep: ISO 639-1 codes to keep; empty keeps all.
        among: Possible languages; fewer make the detection more reliable.
        least: Drop records if the probability of their language is lower.
        field: The field for the code; ``null`` for none.
    """

    name = "language"

    keep: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    least: float = 0.0
    field: str | None = "language"

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        classify = _identifier(self.among)

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            kept = []
            for record in records:
                code, prob = classify(record.text[:_MOST_CHARS])
                shard.count("languages", [code])
                if (not self.keep or code in self.keep) and prob >= self.least:
                    kept.append(record if self.field is None else record.with_fields(**{self.field: code}))
            return kept

        return apply

    def packages(self) -> tuple[str, ...]:
        """See ``Step.packages``."""
        return ("py3langid",)


def _identifier(among: tuple[str, ...]) -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtra('finding languages needs py3langid: pip install "lexel[corpora]"') from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if among:
        identifier.set_languages(list(among))

    def classify(text: str) -> tuple[str, float]:
        code, prob = identifier.classify(text)
        return str(code), float(prob)

    return classify

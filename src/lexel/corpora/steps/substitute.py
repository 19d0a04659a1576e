"""``substitute``: adds training data in which a masked-language model has replaced words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lexel.corpora.spans import Replacement, replace_spans, replace_text
from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.corpora.steps.copies import copies_of
from lexel.data.records import Record
from lexel.document import Document
from lexel.errors import OptionError
from lexel.tasks.fill import FilledBlank, Filler, Filling

_MARK = "[MASK"


@dataclass(frozen=True)
class Substitute(Step):
    """Add copies of records in which some words are replaced. Words, tags and entities are kept, with new offsets.

    Words inside entities are not replaced. Records need words: provide them, or put ``segment`` or ``tag`` before this
    step.

    Attributes:
        model: A folder or hub id with a head that fills masks.
        share: The share of words to replace, at least one word.
        copies: Number of copies of each record.
        top_k: Number of candidates to draw from, by probability.
        original: Whether to keep the record itself.
    """

    name = "substitute"
    is_model_step = True

    model: str
    share: float = 0.15
    copies: int = 1
    top_k: int = 10
    original: bool = True

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        filler = Filler.load(self.model, **machine.loading)

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            chosen = [self._spans(record, shard.random) for record in records for _ in range(self.copies)]
            owners = [record for record in records for _ in range(self.copies)]
            masked = [_masked(record.text, spans) for record, spans in zip(owners, chosen, strict=True)]
            asked = [text for text, spans in zip(masked, chosen, strict=True) if spans]
            filled = iter(filler.stream(asked, top_k=self.top_k, live=False))
            changed = iter(
                _changed(record, spans, next(filled), shard.random) if spans else None
                for record, spans in zip(owners, chosen, strict=True)
            )
            return copies_of(records, lambda _: [next(changed) for _ in range(self.copies)], original=self.original)

        return apply

    def _spans(self, record: Record, random: Random) -> list[tuple[int, int]]:
        """The words to replace in a copy."""
        if record.document is None or "words" not in record.document.layers:
            raise OptionError("substitute: replaces words, and records have none; put segment or tag before it")
        if _MARK in record.text:
            return []
        taken = [(one.start, one.end) for one in record.document.entities]
        words = [
            (word.start, word.end)
            for word in record.document.words
            if word.text.isalpha() and not any(word.start < end and start < word.end for start, end in taken)
        ]
        return sorted(random.sample(words, min(len(words), max(1, round(self.share * len(words))))))

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        return (self.model,)


def _masked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with a mask for each word; each ideograph is one piece."""
    masks = [Replacement(start, end, f"[MASK:{_pieces(text[start:end])}]") for start, end in spans]
    return replace_text(text, masks)


def _pieces(word: str) -> int:
    return 1 if word.isascii() else len(word)


def _changed(record: Record, spans: Sequence[tuple[int, int]], filling: Filling, random: Random) -> Document | None:
    """The record's document with the drawn words; ``None`` if nothing changed."""
    replacements = []
    for (start, end), blank in zip(spans, filling.blanks, strict=True):
        drawn = _drawn(blank, record.text[start:end], random)
        if drawn is not None:
            replacements.append(Replacement(start, end, drawn))
    assert record.document is not None
    return replace_spans(record.document, replacements) if replacements else None


def _drawn(blank: FilledBlank, word: str, random: Random) -> str | None:
    """One of the candidates that differ from the word."""
    others = [one for one in blank.candidates if one.text != word and one.text.isalpha()]
    if not others or not any(one.prob > 0 for one in others):
        return None
    return random.choices([one.text for one in others], [one.prob for one in others])[0]

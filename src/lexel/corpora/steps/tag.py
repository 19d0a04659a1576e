"""``tag`` and ``segment``: words, part-of-speech tags and entities, by the same tagger as ``lexel tag``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from lexel.corpora.record import Record
from lexel.corpora.steps.base import Apply, Machine, Shard, Step, texts_of
from lexel.document import Document
from lexel.tasks.tag import Tagger
from lexel.text.script import Script


@dataclass(frozen=True)
class Tag(Step):
    """Find words, tags and entities.

    Attributes:
        model: A folder or hub id; nothing is the bundled model.
        words: A checkpoint of its own for words.
        pos: A checkpoint of its own for tags.
        entities: A checkpoint of its own for entities.
        script: Chinese that the model reads: ``simplified``, ``traditional`` or ``as-is``.
        lexicon: A file of words whose boundaries are forced or preferred.
        entities_on_words: Widen entities to whole words.
        min_score: Leave out entities with a lower score.
        max_chars: Refuse longer records.
    """

    name = "tag"
    is_model_step = True

    model: str | None = None
    words: str | None = None
    pos: str | None = None
    entities: str | None = None
    script: Script = "as-is"
    lexicon: str | None = None
    entities_on_words: bool = False
    min_score: float | None = None
    max_chars: int | None = None

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        tagger = Tagger.load(
            self.model,
            words=self.words,
            pos=self.pos,
            entities=self.entities,
            script=self.script,
            lexicon=self.lexicon,
            entities_on_words=self.entities_on_words,
            min_score=self.min_score,
            max_chars=self.max_chars,
            **machine.loading,
        )
        return lambda records, shard: _tagged(tagger, records, shard)

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        given = [part for part in (self.words, self.pos, self.entities) if part is not None]
        return given if given and self.model is None else [self.model, *given]

    def files(self) -> Sequence[str]:
        """See ``Step.files``."""
        return () if self.lexicon is None else (self.lexicon,)


@dataclass(frozen=True)
class Segment(Step):
    """Find words alone.

    Attributes:
        model: A folder or hub id; nothing is the bundled model.
        script: Chinese that the model reads.
        lexicon: A file of words whose boundaries are forced or preferred.
    """

    name = "segment"
    is_model_step = True

    model: str | None = None
    script: Script = "as-is"
    lexicon: str | None = None

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        from lexel.checkpoint import open_checkpoint

        checkpoint = open_checkpoint(self.model)
        tagger = Tagger.load(words=checkpoint, script=self.script, lexicon=self.lexicon, **machine.loading)
        return lambda records, shard: _tagged(tagger, records, shard)

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        return (self.model,)

    def files(self) -> Sequence[str]:
        """See ``Step.files``."""
        return () if self.lexicon is None else (self.lexicon,)


def _tagged(tagger: Tagger, records: list[Record], shard: Shard) -> list[Record]:
    documents = tagger.stream(texts_of(records), live=False, on_error="yield")
    found = shard.sound(records, documents)
    shard.count("entities", chain.from_iterable(_labels(document) for _, document in found))
    return [record.with_document(document) for record, document in found]


def _labels(document: Document) -> Iterator[str]:
    names = document.entities.labels
    return (names[i] for i in document.entities.label_ids.tolist())

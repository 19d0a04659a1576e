"""``tag`` and ``segment``: words, part-of-speech tags and entities, by the same tagger as ``lexel tag``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain

from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.data.records import Record
from lexel.decoding.tags import Method
from lexel.document import Document
from lexel.tasks.layers import Snap
from lexel.tasks.tag import Tagger
from lexel.text.script import Script
from lexel.trust.contract import ENDING as MAPPING_ENDING


@dataclass(frozen=True)
class Tag(Step):
    """Find words, tags and entities.

    Attributes:
        model: A folder or hub id. Default: the bundled model.
        revision: Branch, tag or commit of a hub id.
        words: A separate checkpoint for words.
        pos: A separate checkpoint for tags.
        entities: A separate checkpoint for entities.
        scheme: Override the scheme of the model's labels.
        labels: Override the model's labels, in the order of its outputs.
        pieces: Override what the model reads: ``chars`` or ``tokenizer``.
        expects: Labels that your program expects, separated by commas, or a mapping file.
        decode: ``viterbi`` or ``argmax``.
        snap: ``grapheme`` keeps grapheme clusters whole.
        script: Convert Chinese to the script that the model reads: ``simplified``, ``traditional`` or ``as-is``.
        lexicon: A file of words whose boundaries are forced or preferred.
        given_words: Keep the words of the input, and tag them.
        entities_on_words: Widen entities to whole words.
        min_score: Leave out entities with a lower score.
        ignore: Leave out entities with these labels.
        max_chars: Refuse longer records.
        batch_pieces: Maximum number of pieces per batch.
    """

    name = "tag"
    is_model_step = True

    model: str | None = None
    revision: str | None = None
    words: str | None = None
    pos: str | None = None
    entities: str | None = None
    scheme: str | None = None
    labels: tuple[str, ...] = ()
    pieces: str | None = None
    expects: str | None = None
    decode: Method = "viterbi"
    snap: Snap | None = None
    script: Script = "as-is"
    lexicon: str | None = None
    given_words: bool = False
    entities_on_words: bool = False
    min_score: float | None = None
    ignore: tuple[str, ...] = ()
    max_chars: int | None = None
    batch_pieces: int | None = None

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        model, given_words = options.pop("model"), options.pop("given_words")
        options["labels"] = options["labels"] or None
        tagger = Tagger.load(model, **options, **machine.loading)
        return lambda records, shard: _tagged(tagger, records, shard, given_words=given_words)

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        given = [part for part in (self.words, self.pos, self.entities) if part is not None]
        model = f"{self.model}@{self.revision}" if self.model and self.revision else self.model
        return given if given and model is None else [model, *given]

    def files(self) -> Sequence[str]:
        """See ``Step.files``."""
        mapping = self.expects if self.expects is not None and self.expects.endswith(MAPPING_ENDING) else None
        return [path for path in (self.lexicon, mapping) if path is not None]


@dataclass(frozen=True)
class Segment(Step):
    """Find words only.

    Attributes:
        model: A folder or hub id. Default: the bundled model.
        script: Convert Chinese to the script that the model reads.
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
        return lambda records, shard: _tagged(tagger, records, shard, given_words=False)

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        return (self.model,)

    def files(self) -> Sequence[str]:
        """See ``Step.files``."""
        return () if self.lexicon is None else (self.lexicon,)


def _tagged(tagger: Tagger, records: list[Record], shard: Shard, *, given_words: bool) -> list[Record]:
    given = [record.as_document for record in records]
    documents = tagger.stream_documents(given, given_words=given_words, live=False, on_error="yield")
    found = shard.sound(records, documents)
    shard.count("entities", chain.from_iterable(_labels(document) for _, document in found))
    return [record.with_document(document) for record, document in found]


def _labels(document: Document) -> Iterator[str]:
    names = document.entities.labels
    return (names[i] for i in document.entities.label_ids.tolist())

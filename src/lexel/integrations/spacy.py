"""spaCy: a pipeline component, and a tokenizer. Both are entry points, so nothing needs to be imported.

    nlp = spacy.blank("zh")
    nlp.add_pipe("lexel")
    doc = nlp("馬英九在台北。")        # tokens are words; pos, tag, ents and sents are set

In ``nlp.pipe``, the component reads many texts at a time. If other components need the words first, use the tokenizer
``lexel.Tokenizer.v1``; the component then reuses the tokenizer's results.

Needs spaCy 3.8: ``pip install "lexel[spacy]"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from spacy.language import Language
from spacy.parts_of_speech import IDS as UNIVERSAL
from spacy.tokens import Doc, Span
from spacy.util import DummyTokenizer, filter_spans, registry
from spacy.vocab import Vocab

from lexel.document import Document
from lexel.tasks.tag import Tagger

_READ = "lexel"
"""The key in ``Doc.user_data`` under which the tokenizer stores its results for the component."""


@Language.factory(  # type: ignore[untyped-decorator]
    "lexel",
    default_config={"model": None, "tokenize": True, "options": {}},
    assigns=[
        "doc.ents",
        "doc.sents",
        "token.ent_iob",
        "token.ent_type",
        "token.pos",
        "token.tag",
        "token.is_sent_start",
    ],
)
def make_component(
    nlp: Language, name: str, model: str | None, tokenize: bool, options: dict[str, Any]
) -> LexelComponent:
    """The component ``lexel``: ``nlp.add_pipe("lexel", config={"model": "owner/name"})``."""
    return LexelComponent(Tagger.load(model, **options), tokenize=tokenize)


class LexelComponent:
    """Sets words, tags, entities and sentences; an entity's score is ``span._.lexel_score``.

    Args:
        tagger: Reads the texts.
            tokenize: Replace the tokens by the tagger's words. If false, tokens are kept: a tag is set if a token is a
            word, and entities are widened to whole tokens.
    """

    def __init__(self, tagger: Tagger, *, tokenize: bool = True) -> None:
        self.tagger = tagger
        self.tokenize = tokenize
        if not Span.has_extension("lexel_score"):
            Span.set_extension("lexel_score", default=None)

    def __call__(self, doc: Doc) -> Doc:
        """Read one text."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Read texts, many at a time."""
        for docs in _batches(stream, batch_size):
            unread = self.tagger.stream([doc.text for doc in docs if _READ not in doc.user_data])
            for doc in docs:
                record = doc.user_data.pop(_READ, None)
                yield self._annotated(doc, next(unread) if record is None else Document.from_dict(record))

    def _annotated(self, doc: Doc, found: Document) -> Doc:
        if self.tokenize and "words" in found.layers:
            doc = _with_tokens(doc, found)
        _set_tags(doc, found)
        _set_entities(doc, found)
        _set_sentences(doc, found)
        return doc


@registry.tokenizers("lexel.Tokenizer.v1")  # type: ignore[untyped-decorator]
def make_tokenizer(
    model: str | None = None, options: dict[str, Any] | None = None
) -> Callable[[Language], LexelTokenizer]:
    """The tokenizer of a config: ``[nlp.tokenizer]``, ``@tokenizers = "lexel.Tokenizer.v1"``."""
    return lambda nlp: LexelTokenizer(nlp.vocab, Tagger.load(model, **(options or {})))


class LexelTokenizer(DummyTokenizer):  # type: ignore[misc]
    """Makes a ``Doc`` of the tagger's words, and stores the other results for the component."""

    def __init__(self, vocab: Vocab, tagger: Tagger) -> None:
        self.vocab = vocab
        self.tagger = tagger

    def __call__(self, text: str) -> Doc:
        """The words of one text."""
        return self._doc(self.tagger(text))

    def pipe(self, texts: Iterable[str], batch_size: int = 128) -> Iterator[Doc]:
        """The words of texts, many at a time."""
        return map(self._doc, self.tagger.stream(texts))

    def _doc(self, found: Document) -> Doc:
        doc = Doc(self.vocab, *tokens_of(found))
        doc.user_data[_READ] = found.to_dict()
        return doc


def tokens_of(document: Document) -> tuple[list[str], list[bool]]:
    """spaCy's tokens of a text, and whether a space follows each; joined, they give the text.

    One space after a token belongs to it. Any other text between words becomes a separate token, so of two spaces, the
    first belongs to the token before it, and the second is a token.
    """
    text, at = document.text, 0
    words: list[str] = []
    spaces: list[bool] = []
    for start, end in chain(_places(document), [(len(text), len(text))]):
        gap = text[at:start]
        if gap.startswith(" ") and words:
            spaces[-1], gap = True, gap[1:]
        for token in (gap, text[start:end]):
            if token:
                words.append(token)
                spaces.append(False)
        at = end
    return words, spaces


def _places(document: Document) -> Iterator[tuple[int, int]]:
    return zip(document.words.starts.tolist(), document.words.ends.tolist(), strict=True)


def _batches(stream: Iterable[Doc], size: int) -> Iterator[list[Doc]]:
    docs: list[Doc] = []
    for doc in stream:
        docs.append(doc)
        if len(docs) == size:
            yield docs
            docs = []
    if docs:
        yield docs


def _with_tokens(doc: Doc, found: Document) -> Doc:
    """The same text with the tagger's words as tokens; other data in the ``Doc`` are kept."""
    words, spaces = tokens_of(found)
    if words == [token.text for token in doc]:
        return doc
    new = Doc(doc.vocab, words, spaces, user_data=doc.user_data)
    new._context = doc._context
    new.cats = doc.cats
    return new


def _set_tags(doc: Doc, found: Document) -> None:
    if "pos" not in found.layers:
        return
    tags = {(word.start, word.end): word.pos for word in found.words}
    for token in doc:
        tag = tags.get((token.idx, token.idx + len(token)))
        if token.is_space:
            token.pos_ = "SPACE"
        elif tag is not None:
            token.tag_ = tag
            if tag in UNIVERSAL:
                token.pos_ = tag


def _set_entities(doc: Doc, found: Document) -> None:
    if "entities" not in found.layers:
        return
    spans = []
    for entity in found.entities:
        span = doc.char_span(entity.start, entity.end, label=entity.label, alignment_mode="expand")
        if span is not None:
            span._.lexel_score = entity.score
            spans.append(span)
    doc.set_ents(filter_spans(spans))


def _set_sentences(doc: Doc, found: Document) -> None:
    starts = set(found.sentences.starts.tolist())
    for token in doc:
        token.is_sent_start = token.i == 0 or token.idx in starts

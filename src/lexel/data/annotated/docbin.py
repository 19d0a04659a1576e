"""spaCy's DocBin (``.spacy``), the training format of spaCy 3; needs ``lexel[spacy]``.

A Doc is a Document: non-whitespace tokens are words, ``pos_`` or otherwise ``tag_`` are tags, ``ents`` are entities.
Nested entities are the spans under ``sc``, the key of spaCy's span categorizer. The id is ``user_data["id"]``. A DocBin
is one compressed message, so it is held in memory as a whole. See https://spacy.io/api/docbin.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from lexel.data.faults import Faults
from lexel.data.files import BLOCK_BYTES, Source, Target, TextOutput, name_of, open_binary, open_unpacked, write_errors
from lexel.data.omissions import Loss, Losses, n_scores
from lexel.data.packing import UNREADABLE
from lexel.data.tags import entity_words
from lexel.data.words import words_must_tile
from lexel.disk import refused
from lexel.document import Document, Spans, Words
from lexel.errors import DataError, MissingExtra

FORMAT = "spaCy's DocBin"
_ATTRIBUTES = ("POS", "TAG", "ENT_IOB", "ENT_TYPE")
_ID, _SPANS = "id", "sc"
_OTHERS = {"DEP": "dependencies", "LEMMA": "lemmas", "MORPH": "features of words"}


def read_docbin(
    source: Source, /, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    """Reads each Doc as a Document.

    Args:
        source: A path (also compressed), ``"-"`` or an open binary stream.
        encoding: Accepted so that all formats have the same signature.
        losses: Counts classes, groups of spans, dependencies, lemmas and features.
        faults: How to handle a Doc that cannot be read; an error by default.

    Raises:
        DataError: If the file is not a DocBin.
        MissingExtra: If spaCy is not installed.
    """
    spacy, name = _load_spacy(), name_of(source)
    losses = Losses() if losses is None else losses
    faults = Faults() if faults is None else faults
    try:
        docs = spacy.DocBin().from_bytes(_bytes_of(source, name))
    except (ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise DataError(f"{name}: is not a DocBin ({error!r:.80}); expected a .spacy file") from error
    vocab = spacy.Vocab()
    found = docs.get_docs(vocab)
    for number in range(1, len(docs) + 1):
        document = faults.attempt(partial(_document, found, losses, name=name, number=number))
        if document is not None:
            yield document


def _bytes_of(source: Any, name: str) -> bytes:
    if hasattr(source, "read"):
        return b"".join(iter(partial(source.read, BLOCK_BYTES), b""))
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        with open_unpacked(source) as file:
            return file.read()
    except UNREADABLE as error:
        raise DataError(f"{name}: {refused(error, doing='read')}; expected a .spacy file") from error


def _document(docs: Iterator[Any], losses: Losses, *, name: str, number: int) -> Document:
    try:
        doc = next(docs)
    except (ValueError, KeyError, IndexError, StopIteration) as error:
        raise DataError(f"{name}:{number}: cannot be read ({error!r:.80}); expected a Doc") from error
    text = doc.text
    tokens = [token for token in doc if not token.text.isspace()]
    pos = None
    if doc.has_annotation("POS"):
        pos = [token.pos_ or "_" for token in tokens]
    elif doc.has_annotation("TAG"):
        pos = [token.tag_ or "_" for token in tokens]
    words = Words.of(text, [(token.idx, token.idx + len(token)) for token in tokens], pos)
    entities = None
    if doc.has_annotation("ENT_IOB"):
        entities = Spans.of(text, [(span.start_char, span.end_char, span.label_) for span in doc.ents])
    for attribute, what in _OTHERS.items():
        losses.add(what, len(tokens) if doc.has_annotation(attribute) else 0, format="documents")
    losses.add("classes", len(doc.cats), format="documents")
    others = (len(group) for key, group in doc.spans.items() if key != _SPANS)
    losses.add("spans in other groups", sum(others), format="documents")
    id = doc.user_data.get(_ID)
    return Document(text, words, entities, id=None if id is None else str(id), nested=_nested(doc))


def _nested(doc: Any) -> Spans | None:
    if _SPANS not in doc.spans:
        return None
    rows = ((span.start_char, span.end_char, span.label_) for span in doc.spans[_SPANS])
    return Spans.of(doc.text, sorted(rows, key=lambda row: (row[0], -row[1])))


def write_docbin(
    documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8", off_words: str = "error"
) -> tuple[Loss, ...]:
    """Write each document as a Doc; whitespace other than one space after a word becomes tokens, as in spaCy.

    Args:
        documents: Documents with words.
        out: A path, ``"-"`` or an open binary stream.
        encoding: Accepted so that all formats have the same signature.
        off_words: How to handle an entity that cuts a word or overlaps another: ``error``, ``drop``,
            ``widen``.

    Returns:
        What a DocBin cannot hold.

    Raises:
        DataError: If a document has no words, or an entity does not consist of whole words.
        MissingExtra: If spaCy is not installed.
    """
    spacy, losses, name = _load_spacy(), Losses(), name_of(out, standard="<stdout>")
    vocab, docs = spacy.Vocab(), spacy.DocBin(attrs=_ATTRIBUTES, store_user_data=True)
    with open_binary(out) as stream:
        place = TextOutput(stream, name=name, encoding="utf-8", binary=True)
        for place.line, document in enumerate(documents, 1):
            words_must_tile(document, place)
            docs.add(_doc(document, vocab, place, off_words=off_words, losses=losses))
            losses.add("scores", n_scores(document), format=FORMAT)
        with write_errors(name):
            stream.write(docs.to_bytes())
    return losses.summary()


def _doc(document: Document, vocab: Any, place: TextOutput, *, off_words: str, losses: Losses) -> Any:
    spacy = _load_spacy()
    tokens, spaces, at = _tokens(document)
    try:
        doc = spacy.Doc(vocab, words=tokens, spaces=spaces)
    except UnicodeEncodeError as error:
        raise place.error("a lone surrogate; spaCy cannot hold it; write JSON lines") from error
    for index, tag in zip(at, document.words.pos or (), strict=False):
        if tag in spacy.UNIVERSAL and all(tag in spacy.UNIVERSAL for tag in document.words.pos or ()):
            doc[index].pos_ = tag
        else:
            doc[index].tag_ = tag
    if "entities" in document.layers:
        found = entity_words(document, place, off_words=off_words, losses=losses, format=FORMAT)
        spans = [spacy.Span(doc, at[first], at[end - 1] + 1, label=label) for first, end, label in found]
        doc.set_ents(spans, default="outside")
    if "nested" in document.layers:
        nested = [doc.char_span(span.start, span.end, label=span.label) for span in document.nested]
        doc.spans[_SPANS] = [span for span in nested if span is not None]
        losses.add("nested entities that are not of whole words", nested.count(None), format=FORMAT)
    if document.id is not None:
        doc.user_data[_ID] = document.id
    return doc


def _tokens(document: Document) -> tuple[list[str], list[bool], list[int]]:
    """The tokens of a text, whether a space follows each, and which of them are words."""
    text, tokens, spaces, words = document.text, list[str](), list[bool](), list[int]()
    at = 0

    def fill(gap: str) -> None:
        if tokens and gap.startswith(" "):
            spaces[-1], gap = True, gap[1:]
        if gap:
            tokens.append(gap)
            spaces.append(False)

    for start, end in zip(document.words.starts.tolist(), document.words.ends.tolist(), strict=True):
        fill(text[at:start])
        words.append(len(tokens))
        tokens.append(text[start:end])
        spaces.append(False)
        at = end
    fill(text[at:])
    return tokens, spaces, words


class _Spacy:
    """The parts of spaCy that are used."""

    def __init__(self) -> None:
        from spacy.parts_of_speech import IDS
        from spacy.tokens import Doc, DocBin, Span
        from spacy.vocab import Vocab

        self.Doc, self.DocBin, self.Span, self.Vocab = Doc, DocBin, Span, Vocab
        self.UNIVERSAL = frozenset(name for name in IDS if name)


def _load_spacy() -> _Spacy:
    """spaCy's containers.

    Raises:
        MissingExtra: If it is missing; the message has the command that installs it.
    """
    try:
        return _Spacy()
    except ImportError as error:
        raise MissingExtra('reading or writing a DocBin needs spaCy: pip install "lexel[spacy]"') from error

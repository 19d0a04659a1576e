"""Shared by formats with one row per word: reads sentences of rows, reports the lines of wrong tags, counts losses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, TextOutput
from lexel.data.omissions import NESTED, Losses, n_scores
from lexel.data.tags import ILL_FORMED, TagError, WordSpan, n_ill_formed, spans_of_tags
from lexel.data.words import align_words, document_of, words_joined, words_must_tile
from lexel.document import Document, Spans

BREAKS = re.compile(r"[\t\r\n]")
BLANKS = re.compile(r"[ \t\r\n]")
_BRACKETS = {"(": "-LRB-", ")": "-RRB-", "[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}
_PLAIN = {name: bracket for bracket, name in _BRACKETS.items()}


@dataclass(slots=True)
class Sentence:
    """The rows of one sentence.

    Attributes:
        comments: Its comment lines.
        numbers: The line of each row.
        rows: The cells of each row.
        is_whole: Whether all rows could be read.
    """

    comments: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    is_whole: bool = True

    def column(self, index: int) -> list[str]:
        """One cell of every row."""
        return [row[index] for row in self.rows]


def read_sentences(lines: LineReader, *, cut: Callable[[str], list[str]], faults: Faults) -> Iterator[Sentence]:
    """The sentences of a file: rows up to a blank line or a comment.

    Args:
        lines: The file; a line that begins with ``#`` is a comment.
        cut: Splits a row into cells; raises a ValueError for an invalid row.
        faults: How to handle a sentence with a bad row.
    """

    def cells(line: str) -> list[str]:
        try:
            return cut(line)
        except ValueError as error:
            raise lines.error(str(error)) from error

    sentence = Sentence()
    for line in lines:
        is_comment = line.startswith("#")
        if sentence.numbers and (is_comment or not line.strip(" \t")):
            if sentence.is_whole:
                yield sentence
            sentence = Sentence()
        if is_comment:
            sentence.comments.append(line)
        elif line.strip(" \t"):
            row = faults.attempt(partial(cells, line)) if sentence.is_whole else None
            sentence.is_whole = row is not None
            sentence.numbers.append(lines.number)
            sentence.rows.append(row or [])
    if sentence.numbers and sentence.is_whole:
        yield sentence


def read_tagged(
    source: Source,
    *,
    encoding: str,
    cut: Callable[[str], list[str]],
    build: Callable[[Sentence, LineReader, Losses, Losses | None], Document],
    losses: Losses | None,
    faults: Faults | None,
    repair: bool,
) -> Iterator[Document]:
    """Reads the sentences of a file with columns of tags as Documents.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        cut: See ``read_sentences``.
        build: Builds the Document of a sentence; its last argument counts repaired tags, or is ``None`` to reject them.
        losses: Counts what Documents cannot hold.
        faults: How to handle a sentence that cannot be read; an error by default.
        repair: Read ill-formed tags by conlleval's rule instead of rejecting them.
    """
    losses = Losses() if losses is None else losses
    faults = Faults() if faults is None else faults
    lines = LineReader(source, encoding=encoding)
    repaired = losses if repair or faults.repairs else None
    for sentence in read_sentences(lines, cut=cut, faults=faults):
        document = faults.attempt(partial(build, sentence, lines, losses, repaired))
        if document is not None:
            yield document


def spans_of_column(
    tags: Sequence[str], sentence: Sentence, lines: LineReader, *, repaired: Losses | None, format: str
) -> list[WordSpan]:
    """The spans of a column of IOB2 tags.

    Args:
        tags: The column.
        sentence: Its sentence, for the line of an error.
        lines: The file.
        repaired: Counts repaired ill-formed tags; without it, they are an error.
        format: Name of the format.

    Raises:
        DataError: With ``path:line`` of a tag not allowed there.
    """
    try:
        spans = spans_of_tags(tags, scheme="BIO", repair=repaired is not None)
    except TagError as fault:
        raise lines.error(str(fault), line=sentence.numbers[fault.index]) from fault
    if repaired is not None:
        repaired.add(ILL_FORMED, n_ill_formed(tags, spans, scheme="BIO"), format=format)
    return spans


def document_of_rows(
    words: Sequence[str],
    *,
    text: str | None,
    losses: Losses,
    pos: Sequence[str] | None = None,
    entities: Sequence[WordSpan] | None = None,
    id: str | None = None,
) -> Document:
    """The Document of a sentence, with the text from the file if the words spell it."""
    spans = None if text is None else align_words(words, text)
    if text is not None and spans is not None:
        return document_of(text, spans, pos=pos, entities=entities, id=id)
    losses.add("texts that their words do not spell", int(text is not None), format="documents")
    return words_joined(words, joiner=None, pos=pos, entities=entities, id=id)


def words_to_write(
    document: Document, output: TextOutput, losses: Losses, *, format: str, forbidden: re.Pattern[str] = BREAKS
) -> list[str]:
    """The words of a document to write as rows; if it has none, an empty list, which is counted.

    Raises:
        DataError: If the words do not cover the text, or one of them cannot be a cell.
    """
    words_must_tile(document, output)
    words = document.words.texts
    losses.add("empty documents", int(not words), format=format)
    for word in words:
        if forbidden.search(word):
            raise output.error(f"word {word!r} holds whitespace; expected words that can be a cell; write JSON lines")
    return words


def with_nested(document: Document, inner: Sequence[WordSpan]) -> Document:
    """A document of rows with the layer ``nested``: its entities, and others given as ranges of its words."""
    starts, ends = document.words.starts.tolist(), document.words.ends.tolist()
    rows = [(span.start, span.end, span.label) for span in document.entities]
    rows += [(starts[first], ends[end - 1], label) for first, end, label in inner]
    nested = Spans.of(document.text, sorted(rows, key=lambda row: (row[0], -row[1])))
    return Document(document.text, document.words, document.entities, id=document.id, nested=nested)


def count_losses(
    document: Document, losses: Losses, *, format: str, pos: bool = False, text: bool = False, nested: bool = False
) -> None:
    """Count what rows of words cannot hold.

    Args:
        document: The written document.
        losses: The counts.
        format: Name of the format.
        pos: Whether tags were written.
        text: Whether the text itself was written.
        nested: Whether entities inside others were written.
    """
    words = document.words
    losses.add(NESTED, 0 if nested else len(document.nested), format=format)
    losses.add("tags", 0 if pos or words.pos_ids is None else len(words), format=format)
    losses.add("scores", n_scores(document), format=format)
    if not text and words_joined(words.texts, joiner=None).text != document.text:
        losses.add("texts whose whitespace does not follow from the words", 1, format=format)


def with_brackets(word: str) -> str:
    """A word of the Penn treebanks in its usual spelling: ``-LRB-`` is a bracket."""
    return _PLAIN.get(word, word)


def without_brackets(word: str) -> str:
    """A word in the spelling of the Penn treebanks."""
    return _BRACKETS.get(word, word)

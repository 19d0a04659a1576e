"""CoNLL-2012's columns of OntoNotes: entities as brackets over rows of words.

    #begin document (bc/cctv/00/cctv_0000); part 000
    bc/cctv/00/cctv_0000  0  0  Hong   NNP  (TOP(NP*  -  -  -  Speaker  (GPE*  *  -
    bc/cctv/00/cctv_0000  0  1  Kong   NNP  *))       -  -  -  Speaker  *)     *  -

    #end document

Each sentence is a Document; its id is the name of its document. ``-LRB-`` and the like are read as brackets. See
https://conll.cemantix.org/2012/data.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from lexel.data.annotated.word_rows import (
    BLANKS,
    Sentence,
    count_losses,
    document_of_rows,
    read_sentences,
    with_brackets,
    with_nested,
    without_brackets,
    words_to_write,
)
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, open_output
from lexel.data.omissions import Loss, Losses
from lexel.data.tags import WordSpan, entity_words
from lexel.document import Document

FORMAT = "CoNLL-2012 columns"
_WORD, _POS, _PARSE, _LEMMA, _NAMES, _FEWEST = 3, 4, 5, 6, 10, 11
_BEGIN = re.compile(r"#begin document \((.*)\)(?:; part \d+)?")
_NAME = re.compile(r"[^\s()#][^\s()]*")
_NOTHING = "-"
_BRACKET = re.compile(r"\(([^()*\s]+)|[*]|(\))")
_LABEL = re.compile(r"[^()*\s]+")


def read_conll2012(
    source: Source, /, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    """Reads each sentence as a Document with words, tags and entities.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts parse trees, predicates and coreference mentions.
        faults: How to handle a sentence that cannot be read; an error by default.

    Raises:
        DataError: With ``path:line`` of a row with too few columns, or of an unmatched bracket.
    """
    losses = Losses() if losses is None else losses
    faults = Faults() if faults is None else faults
    lines = LineReader(source, encoding=encoding)
    name: str | None = None
    for sentence in read_sentences(lines, cut=_cut, faults=faults):
        for comment in sentence.comments:
            if match := _BEGIN.fullmatch(comment.strip()):
                name = match[1] if match[1] not in ("", _NOTHING) else None
        document = faults.attempt(partial(_document, sentence, lines, losses, id=name))
        if document is not None:
            yield document


def _cut(line: str) -> list[str]:
    cells = re.split(r"[ \t]+", line.strip(" \t"))
    if len(cells) < _FEWEST:
        raise ValueError(f"{len(cells)} columns; expected at least {_FEWEST}, the {_FEWEST}th with brackets of names")
    return cells


def _document(sentence: Sentence, lines: LineReader, losses: Losses, *, id: str | None) -> Document:
    pos, names = sentence.column(_POS), sentence.column(_NAMES)
    outer, inner = (None, []) if set(names) == {_NOTHING} else _entities(names, sentence, lines)
    losses.add(
        "parse trees", int(any(cell not in ("*", _NOTHING) for cell in sentence.column(_PARSE))), format="documents"
    )
    losses.add("predicates", sum(cell != _NOTHING for cell in sentence.column(_LEMMA)), format="documents")
    mentions = (row[-1].count("(") for row in sentence.rows if len(row) > _FEWEST)
    losses.add("coreference mentions", sum(mentions), format="documents")
    words = list(map(with_brackets, sentence.column(_WORD)))
    tags = None if set(pos) == {_NOTHING} else pos
    document = document_of_rows(words, text=None, losses=losses, pos=tags, entities=outer, id=id)
    return with_nested(document, inner) if inner else document


def _entities(cells: Sequence[str], sentence: Sentence, lines: LineReader) -> tuple[list[WordSpan], list[WordSpan]]:
    """The outer and the inner spans of a column of brackets."""
    outer: list[WordSpan] = []
    inner: list[WordSpan] = []
    opened: list[tuple[int, str]] = []
    for i, cell in enumerate(cells):
        if _BRACKET.sub("", cell):
            expected = "expected brackets such as (ORG*, *, *) and (ORG)"
            raise lines.error(f"{cell!r:.40} is not a cell of names; {expected}", line=sentence.numbers[i])
        for bracket in _BRACKET.finditer(cell):
            if bracket[1]:
                opened.append((i, bracket[1]))
            elif bracket[2]:
                if not opened:
                    raise lines.error(f"{cell!r} closes a bracket that is not open", line=sentence.numbers[i])
                first, label = opened.pop()
                (inner if opened else outer).append((first, i + 1, label))
    if opened:
        first, label = opened[0]
        raise lines.error(f"({label} is not closed in its sentence; expected *)", line=sentence.numbers[first])
    return outer, inner


def write_conll2012(
    documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8", off_words: str = "error"
) -> tuple[Loss, ...]:
    """Write each document as a sentence; neighbours with the same id form one document of the file.

    Args:
        documents: Documents with words.
        out: A path, ``"-"`` or an open stream.
        encoding: The encoding of the output.
        off_words: How to handle an entity that cuts a word or overlaps another: ``error``, ``drop``,
            ``widen``.

    Returns:
        What the format cannot hold.

    Raises:
        DataError: If a document has no words, an entity cuts a word, or a label cannot be written in a bracket.
    """
    losses = Losses()
    before: str | None = None
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            words = words_to_write(document, output, losses, format=FORMAT, forbidden=BLANKS)
            if not words:
                continue
            name = document.id if document.id is not None and _NAME.fullmatch(document.id) else _NOTHING
            losses.add("names of documents", int(name == _NOTHING and document.id is not None), format=FORMAT)
            if name != before:
                end = "" if before is None else "#end document\n"
                output.write(f"{end}#begin document ({name}); part 000\n")
                before = name
            names = _brackets(document, output, off_words=off_words, losses=losses)
            pos = _tags(document, output)
            for number, row in enumerate(zip(map(without_brackets, words), pos, names, strict=True)):
                word, tag, bracket = row
                output.write("\t".join([name, "0", str(number), word, tag, "*", *"----", bracket, _NOTHING]) + "\n")
            output.write("\n")
            count_losses(document, losses, format=FORMAT, pos=True)
        output.write("" if before is None else "#end document\n")
    return losses.summary()


def _tags(document: Document, output: TextOutput) -> list[str]:
    pos = document.words.pos
    if pos is None:
        return [_NOTHING] * len(document.words)
    for tag in pos:
        if not tag or BLANKS.search(tag):
            raise output.error(f"tag {tag!r} cannot be a cell; expected no whitespace; write JSON lines")
    return pos


def _brackets(document: Document, output: TextOutput, *, off_words: str, losses: Losses) -> list[str]:
    if "entities" not in document.layers:
        return [_NOTHING] * len(document.words)
    cells = ["*"] * len(document.words)
    for first, end, label in entity_words(document, output, off_words=off_words, losses=losses, format=FORMAT):
        if not _LABEL.fullmatch(label):
            raise output.error(f"label {label!r} cannot be in a bracket; expected no blank, bracket or *")
        if end == first + 1:
            cells[first] = f"({label})"
        else:
            cells[first], cells[end - 1] = f"({label}*", "*)"
    return cells

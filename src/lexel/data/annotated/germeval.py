"""GermEval 2014's tables: a number, a word, the outer entity's tag and the nested one's per row, separated by tabs.

    #   http://de.wikipedia.org/wiki/Manfred_Korfmann [2009-10-17]
    1   Troia   B-OTH   B-LOC
    2   -       I-OTH   O

The source of a sentence is its id; ``entities`` holds the outer entities, ``nested`` all of them. See
https://sites.google.com/site/germeval2014ner/data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lexel.data.annotated.word_rows import (
    BREAKS,
    Sentence,
    count_losses,
    document_of_rows,
    read_tagged,
    spans_of_column,
    with_nested,
    words_to_write,
)
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, open_output
from lexel.data.levels import outer_and_inner
from lexel.data.omissions import Loss, Losses
from lexel.data.tags import entity_words, tags_of_spans
from lexel.document import Document, Spans

FORMAT = "GermEval tables"


def read_germeval(
    source: Source,
    /,
    *,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
    repair: bool = False,
) -> Iterator[Document]:
    """Reads each sentence as a Document with words and entities, including nested ones.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts other comments.
        faults: How to handle a sentence that cannot be read; an error by default.
        repair: Read ill-formed tags by conlleval's rule instead of rejecting them.

    Raises:
        DataError: With ``path:line`` of a row without its four cells, or of a tag not allowed there.
    """
    return read_tagged(
        source, encoding=encoding, cut=_cut, build=_document, losses=losses, faults=faults, repair=repair
    )


def _cut(line: str) -> list[str]:
    cells = line.split("\t")
    if len(cells) != 4 or not cells[0].isdecimal() or not cells[1]:
        found = f"{line!r:.60} is no row of GermEval 2014"
        raise ValueError(f"{found}; expected number, word, outer and nested tag, separated by tabs")
    return cells


def _document(sentence: Sentence, lines: LineReader, losses: Losses, repaired: Losses | None) -> Document:
    outer = spans_of_column(sentence.column(2), sentence, lines, repaired=repaired, format=FORMAT)
    nested = spans_of_column(sentence.column(3), sentence, lines, repaired=repaired, format=FORMAT)
    losses.add("comments", max(0, len(sentence.comments) - 1), format="documents")
    id = sentence.comments[-1][1:].strip() if sentence.comments else ""
    document = document_of_rows(sentence.column(1), text=None, losses=losses, entities=outer, id=id or None)
    return with_nested(document, nested)


def write_germeval(
    documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8", off_words: str = "error"
) -> tuple[Loss, ...]:
    """Write each document as a sentence; an entity inside another is written to the last column.

    Args:
        documents: Documents with words.
        out: A path, ``"-"`` or an open stream.
        encoding: The encoding of the output.
        off_words: How to handle an entity that cuts a word or overlaps two others: ``error``, ``drop``,
            ``widen``.

    Returns:
        What the format cannot hold.

    Raises:
        DataError: If a document has no words, or an entity does not consist of whole words.
    """
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            words = words_to_write(document, output, losses, format=FORMAT)
            if not words:
                continue
            levels = [
                _tags(document, spans, output, off_words=off_words, losses=losses)
                for spans in outer_and_inner(document)
            ]
            id = document.id
            has_id = id is not None and id == id.strip() != "" and not BREAKS.search(id)
            rows = zip(map(str, range(1, len(words) + 1)), words, *levels, strict=True)
            output.write(f"#\t{id}\n" * has_id + "".join("\t".join(row) + "\n" for row in rows) + "\n")
            losses.add("names of documents", int(id is not None and not has_id), format=FORMAT)
            count_losses(document, losses, format=FORMAT, nested=True)
    return losses.summary()


def _tags(document: Document, spans: Spans, output: TextOutput, *, off_words: str, losses: Losses) -> list[str]:
    level = Document(document.text, document.words, spans)
    found = entity_words(level, output, off_words=off_words, losses=losses, format=FORMAT)
    return tags_of_spans(found, n_words=len(document.words), scheme="BIO")

"""Universal NER's IOB2 files: sentences of a Universal Dependencies treebank with a number, a word and a tag per row.

    # sent_id = s1
    # text = From the AP comes this story:
    1   From    O
    2   the     O
    3   AP      B-ORG   -   annotator

``B-O`` marks an annotator's comment and is read as ``O``. See https://github.com/UniversalNER and Mayhew et al.,
"Universal NER" (NAACL 2024).
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
    words_to_write,
)
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, open_output
from lexel.data.omissions import Loss, Losses
from lexel.data.tags import entity_words, tags_of_spans
from lexel.document import Document

FORMAT = "UNER files"
_ID, _TEXT = "# sent_id = ", "# text = "
_NO_TYPE = ("B-O", "I-O")


def read_uner(
    source: Source,
    /,
    *,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
    repair: bool = False,
) -> Iterator[Document]:
    """Reads each sentence as a Document with words and entities.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts annotators, other comments, multiword tokens, and texts that their words do not spell.
        faults: How to handle a sentence that cannot be read; an error by default.
        repair: Read ill-formed tags by conlleval's rule instead of rejecting them.

    Raises:
        DataError: With ``path:line`` of a row without a number, a word and a tag, or of a tag not allowed there.
    """
    return read_tagged(
        source, encoding=encoding, cut=_cut, build=_document, losses=losses, faults=faults, repair=repair
    )


def _cut(line: str) -> list[str]:
    cells = line.split("\t")
    if len(cells) < 3 or not cells[0].replace("-", "").replace(".", "").isdecimal() or not cells[1]:
        raise ValueError(f"{line!r:.60} is not a row of UNER; expected number, word and tag, separated by tabs")
    return cells


def _document(sentence: Sentence, lines: LineReader, losses: Losses, repaired: Losses | None) -> Document:
    id = text = None
    for comment in sentence.comments:
        if comment.startswith(_ID):
            id = comment.removeprefix(_ID)
        elif comment.startswith(_TEXT):
            text = comment.removeprefix(_TEXT)
        else:
            losses.add("comments", 1, format="documents")
    words = Sentence(sentence.comments)
    for number, row in zip(sentence.numbers, sentence.rows, strict=True):
        if row[0].isdecimal():
            words.numbers.append(number)
            words.rows.append(row)
            losses.add("annotators", int(len(row) > 4 and row[4] not in ("", "-", "_")), format="documents")
    losses.add("multiword tokens and empty nodes", len(sentence.rows) - len(words.rows), format="documents")
    tags = ["O" if tag in _NO_TYPE else tag for tag in words.column(2)]
    losses.add("tags without a type (B-O)", sum(tag in _NO_TYPE for tag in words.column(2)), format="documents")
    entities = spans_of_column(tags, words, lines, repaired=repaired, format=FORMAT)
    return document_of_rows(words.column(1), text=text, losses=losses, entities=entities, id=id)


def write_uner(
    documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8", off_words: str = "error"
) -> tuple[Loss, ...]:
    """Write each document as a sentence.

    Args:
        documents: Documents with words.
        out: A path, ``"-"`` or an open stream.
        encoding: The encoding of the output.
        off_words: How to handle an entity that cuts a word or overlaps another: ``error``, ``drop``,
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
            spans = entity_words(document, output, off_words=off_words, losses=losses, format=FORMAT)
            tags = tags_of_spans(spans, n_words=len(words), scheme="BIO")
            has_id = document.id is not None and not BREAKS.search(document.id)
            has_text = "\n" not in document.text and "\r" not in document.text
            head = f"{_ID}{document.id}\n" * has_id + f"{_TEXT}{document.text}\n" * has_text
            rows = (f"{i}\t{word}\t{tag}\n" for i, (word, tag) in enumerate(zip(words, tags, strict=True), 1))
            output.write(head + "".join(rows) + "\n")
            losses.add("names of documents", int(document.id is not None and not has_id), format=FORMAT)
            count_losses(document, losses, format=FORMAT, text=has_text)
    return losses.summary()

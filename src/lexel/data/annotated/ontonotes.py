"""OntoNotes' .name files: one sentence per line, words separated by spaces, names in ENAMEX elements.

    <DOC DOCNO="bn/cnn/00/cnn_0001@cnn@bn@en@on">
    <ENAMEX TYPE="PERSON">Jane Roe</ENAMEX> left for a <ENAMEX TYPE="GPE" E_OFF="6">Paris-based</ENAMEX> bank .
    </DOC>

``S_OFF`` and ``E_OFF`` are the numbers of characters at the start and the end of the words outside the name. Each
sentence is a Document; its id is the name of its document. TIMEX and NUMEX elements, and elements inside others, as in
other corpora, are also read. See the OntoNotes 5.0 release notes, section 2.6.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import partial

from lexel.data.annotated.word_rows import (
    BLANKS,
    BREAKS,
    count_losses,
    with_brackets,
    without_brackets,
    words_to_write,
)
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, open_output
from lexel.data.levels import Row, levels_of
from lexel.data.omissions import Loss, Losses
from lexel.data.words import words_joined
from lexel.document import Document, Span

FORMAT = "OntoNotes files"
_TAG = re.compile(r"<(/?)(ENAMEX|TIMEX|NUMEX)\b([^<>]*)>")
_DOCUMENT = re.compile(r'\s*<DOC(?:\s+DOCNO="([^"]*)")?[^>]*>\s*', re.IGNORECASE)
_END = re.compile(r"\s*</DOC>\s*", re.IGNORECASE)
_ATTRIBUTE = re.compile(r'([A-Z_]+)="([^"]*)"', re.IGNORECASE)
_REFERENCE = re.compile("&(amp|lt|gt|quot);")
_PLAIN = {"amp": "&", "lt": "<", "gt": ">", "quot": '"'}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_WORD = re.compile(r"[^ \t]+")


def read_ontonotes(
    source: Source, /, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    """Reads each line as a Document with words and entities.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Accepted so that all formats have the same signature; Documents hold everything.
        faults: How to handle a line that cannot be read; an error by default.

    Raises:
        DataError: With ``path:line`` of an unmatched element, or one without a type.
    """
    faults = Faults() if faults is None else faults
    lines = LineReader(source, encoding=encoding)
    name: str | None = None
    for line in lines:
        if match := _DOCUMENT.fullmatch(line):
            name = _unescaped(match[1] or "") or None
        elif _END.fullmatch(line):
            name = None
        elif line.strip(" \t"):
            document = faults.attempt(partial(_document, line, lines, id=name))
            if document is not None:
                yield document


def _unescaped(text: str) -> str:
    return _REFERENCE.sub(lambda match: _PLAIN[match[1]], text)


def _document(line: str, lines: LineReader, *, id: str | None) -> Document:
    plain, names = _without_elements(line, lines)
    places = [match.span() for match in _WORD.finditer(plain)]
    words = [with_brackets(plain[start:end]) for start, end in places]
    document = words_joined(words, joiner=None, id=id)
    starts, new_starts, new_ends = [start for start, _ in places], document.words.starts, document.words.ends

    def moved(at: int, *, is_end: bool) -> int:
        """The offset in the text of a character of the line."""
        i = bisect_right(starts, at - is_end) - 1
        if is_end and at == places[i][1]:
            return int(new_ends[i])
        return min(int(new_starts[i]) + at - starts[i], int(new_ends[i]))

    found = [(moved(start, is_end=False), moved(end, is_end=True), label) for start, end, label in names]
    levels = levels_of(document.text, found)
    return Document(document.text, document.words, levels.entities, id=id, nested=levels.nested)


def _without_elements(line: str, lines: LineReader) -> tuple[str, list[Row]]:
    """The line without its elements, and the ranges of its names."""
    parts: list[str] = []
    opened: list[tuple[int, str, str]] = []
    found: list[Row] = []
    at = size = 0
    for tag in _TAG.finditer(line):
        parts.append(_unescaped(line[at : tag.start()]))
        at, size = tag.end(), size + len(parts[-1])
        if not tag[1]:
            opened.append((size, tag[2], tag[3]))
        elif not opened or opened[-1][1] != tag[2]:
            raise lines.error(f"{tag[0]} at column {tag.start() + 1} closes no <{tag[2]}>; expected one that is open")
        else:
            start, _, attributes = opened.pop()
            found.append(_name(start, size, attributes, lines))
    if opened:
        raise lines.error(f"<{opened[0][1]}> is not closed; expected its end on the same line")
    plain = "".join([*parts, _unescaped(line[at:])])
    for start, end, label in found:
        if not plain[start:end].strip(" \t") or plain[start:end] != plain[start:end].strip(" \t"):
            raise lines.error(
                f"the {label} {plain[start:end]!r:.40} has a blank at its edge, or no words; expected words"
            )
    return plain, found


def _name(start: int, end: int, attributes: str, lines: LineReader) -> Row:
    values = {key.upper(): value for key, value in _ATTRIBUTE.findall(attributes)}
    label = _unescaped(values.get("TYPE", ""))
    offsets = values.get("S_OFF", "0"), values.get("E_OFF", "0")
    if not label or not all(map(str.isdecimal, offsets)):
        found = f"<ENAMEX{attributes}>"
        raise lines.error(f"{found:.60}; expected TYPE, and numbers in S_OFF and E_OFF")
    return start + int(offsets[0]), end - int(offsets[1]), label


def write_ontonotes(documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8") -> tuple[Loss, ...]:
    """Write each document as a line; neighbours with the same id form one document of the file.

    Args:
        documents: Documents with words.
        out: A path, ``"-"`` or an open stream.
        encoding: The encoding of the output.

    Returns:
        What the format cannot hold.

    Raises:
        DataError: If a document has no words, or a label cannot be written in an attribute.
    """
    losses = Losses()
    before: str | None = None
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            words = words_to_write(document, output, losses, format=FORMAT, forbidden=BLANKS)
            if not words:
                continue
            has_id = document.id is not None and not BREAKS.search(document.id)
            losses.add("names of documents", int(document.id is not None and not has_id), format=FORMAT)
            name = _escaped(document.id or "") if has_id else ""
            if name != before:
                end = "" if before is None else "</DOC>\n"
                output.write(f'{end}<DOC DOCNO="{name}">\n')
                before = name
            output.write(" ".join(_with_elements(document, words, output, losses)) + "\n")
            count_losses(document, losses, format=FORMAT, nested=True)
        output.write("" if before is None else "</DOC>\n")
    return losses.summary()


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES).replace('"', "&quot;")


def _with_elements(document: Document, words: list[str], output: TextOutput, losses: Losses) -> list[str]:
    """The words, with the start and end tags of the names."""
    tokens = [without_brackets(word).translate(_ESCAPES) for word in words]
    starts, ends = document.words.starts.tolist(), document.words.ends.tolist()
    heads, closed, opened = [""] * len(words), [0] * len(words), list[int]()

    def range_of(span: Span) -> tuple[int, int]:
        """The first and the last word that an entity overlaps."""
        return bisect_right(ends, span.start), bisect_right(starts, span.end - 1) - 1

    for first, last, span in _outer_first((*range_of(span), span) for span in document.all_entities):
        while opened and opened[-1] < first:
            opened.pop()
        if first > last or (opened and opened[-1] < last):
            losses.add("entities that cross another, or touch no word", 1, format=FORMAT)
            continue
        opened.append(last)
        if BREAKS.search(span.label) or not span.label:
            raise output.error(f"label {span.label!r} cannot be in an attribute; expected no line end or tab")
        offsets = {"S_OFF": max(0, span.start - starts[first]), "E_OFF": max(0, ends[last] - span.end)}
        said = "".join(f' {key}="{value}"' for key, value in offsets.items() if value)
        heads[first] += f'<ENAMEX TYPE="{_escaped(span.label)}"{said}>'
        closed[last] += 1
    rows = zip(heads, tokens, closed, strict=True)
    return [f"{head}{token}{'</ENAMEX>' * n}" for head, token, n in rows]


def _outer_first(rows: Iterable[tuple[int, int, Span]]) -> list[tuple[int, int, Span]]:
    return sorted(rows, key=lambda row: (row[0], -row[1], row[2].start, -row[2].end))

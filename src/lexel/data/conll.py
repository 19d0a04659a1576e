"""Reads and writes CoNLL columns: one word per line with its tags in columns, and a blank line between sentences.

Every sentence is a Document. The text comes from a ``# text = `` comment if there is one. Otherwise the words are
joined according to their scripts: without a space next to Chinese, Japanese or Thai, and with one between others.

A line is a comment only if it cannot be a row: it has the form ``# key = value``, or begins with ``#`` and has no tab
in a tab-separated file. So a word ``#`` stays a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from lexel.data.char_rows import UNITS, blank_between_chars, settle_unit, warn_of_chars
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, ending_of, open_output
from lexel.data.omissions import NESTED, Loss, Losses, n_scores
from lexel.data.tags import (
    ILL_FORMED,
    OFF_WORDS,
    TagError,
    WordSpan,
    entity_words,
    n_ill_formed,
    scheme_named,
    spans_of_tags,
    tags_of_spans,
)
from lexel.data.words import align_words, blank_between, document_of, words_joined, words_must_tile
from lexel.document import Document, Words
from lexel.names import RowUnit

FORMAT = "CoNLL columns"
COLUMNS_BY_COUNT = {1: ("word",), 2: ("word", "tag"), 3: ("word", "pos", "tag"), 4: ("word", "pos", "-", "tag")}
"""The default meaning of the columns by their number; four are those of CoNLL-2003 (the third holds chunks)."""
_KNOWN_COLUMNS = ("word", "pos", "tag", "-")
_DOCSTART = "-DOCSTART-"
_SCHEMES = {".bioes": "BIOES", ".bmes": "BIOES"}
_COMMENT = re.compile(r"# (?:([\w.:-]+) = ?(.*)|(?:newdoc|newpar)(?: .*)?)")
_BREAKS = re.compile(r"[\t\n\r]")


def read_conll(
    source: Source,
    *,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
    columns: Sequence[str] | None = None,
    separator: str | None = None,
    scheme: str | None = None,
    unit: RowUnit | None = None,
    repair: bool = False,
    joiner: str | None = None,
) -> Iterator[Document]:
    """Reads each sentence as a Document with words and, depending on the columns, tags and entities.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts skipped columns, comments and ``-DOCSTART-`` lines.
        faults: How to handle a sentence that cannot be read; an error by default.
        columns: The meaning of each column: ``word``, ``pos``, ``tag`` (of entities) or ``-`` (skipped); ``None``
            chooses by their number (`COLUMNS_BY_COUNT`).
        separator: The column separator; ``None`` means tab if the first row has one, otherwise any run of spaces.
        scheme: Scheme of the tags: BIO (IOB2), IOB1, IOE1, IOE2, BIOES or BILOU; ``None`` chooses by the file's ending:
            BIOES for ``.bioes`` and ``.bmes``, otherwise BIO.
        unit: The unit of a row: ``words``, or ``chars``, which gives Documents without words; ``None`` decides from the
            first rows: ``chars`` if each is one Chinese character with a tag.
        repair: Read ill-formed tags by conlleval's rule instead of rejecting them.
        joiner: The text between two words; ``None`` decides by their scripts.

    Raises:
        DataError: With ``path:line`` of a row with too many or too few columns, or of a tag not allowed there.
        ValueError: If a column's or the scheme's name is unknown.
    """
    names = None if columns is None else check_columns(columns)
    lines = LineReader(source, encoding=encoding)
    scheme = scheme_named(_SCHEMES.get(ending_of(lines.name), "BIO") if scheme is None else scheme)
    if unit not in (None, *UNITS):
        raise ValueError(f"unit {unit!r}; expected one of {', '.join(UNITS)}")
    layout = _Layout(names, separator)
    losses = Losses() if losses is None else losses
    faults = Faults() if faults is None else faults
    repaired = losses if repair or faults.repairs else None
    blocks = _blocks(lines, layout, losses, faults)
    if unit is None:
        unit, blocks = settle_unit(blocks, name=lines.name)
        if unit == "chars":
            warn_of_chars(lines.name)
    for block in blocks:
        read = partial(_document, block, lines, scheme=scheme, unit=unit, repair=repaired, joiner=joiner)
        if (document := faults.attempt(read)) is not None:
            yield document


@dataclass(slots=True)
class _Layout:
    """How rows are split; options that the caller left open are decided by the first row."""

    columns: tuple[str, ...] | None
    separator: str | None

    def cells(self, line: str, lines: LineReader) -> list[str]:
        if self.separator is None:
            self.separator = "\t" if "\t" in line else " "
        cells = [cell for cell in line.split(" ") if cell] if self.separator == " " else line.split(self.separator)
        while len(cells) > (1 if self.columns is None else len(self.columns)) and not cells[-1].strip():
            cells.pop()  # tabs at the end of a row
        if self.columns is None:
            self.columns = COLUMNS_BY_COUNT.get(len(cells))
        if self.columns is None or len(cells) != len(self.columns):
            raise lines.error(_misfit(len(cells), self.columns))
        if not cells[self.columns.index("word")]:
            raise lines.error("the word is empty; expected a word in every row")
        return cells

    def comment(self, line: str) -> tuple[str, str] | None:
        """Key and value if the line is a comment (key ``""`` if it has no key), else ``None``."""
        if line[0] != "#":
            return None
        if (match := _COMMENT.fullmatch(line)) and "\t" not in line:
            return match[1] or "", match[2] or ""
        return ("", line) if self.separator == "\t" and "\t" not in line and self.columns != ("word",) else None


@dataclass(slots=True)
class _Block:
    """The rows of one sentence, by column, with their line numbers."""

    id: str | None = None
    text: str | None = None
    line: int = 0
    numbers: list[int] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    is_whole: bool = True


def _blocks(lines: LineReader, layout: _Layout, losses: Losses, faults: Faults) -> Iterator[_Block]:
    block = _Block()
    for line in lines:
        if not line.strip(" \t"):
            if block.numbers and block.is_whole:
                yield block
            block = _Block()
        elif not block.is_whole:
            continue
        elif not block.numbers and line.startswith(_DOCSTART):
            losses.add("-DOCSTART- lines", 1, format="documents")
        elif not block.numbers and (comment := layout.comment(line)) is not None:
            _take_comment(block, comment, lines, losses)
        elif (cells := faults.attempt(partial(layout.cells, line, lines))) is None:
            block.is_whole = False
        else:
            _take_row(block, cells, layout.columns or (), lines, losses)
    if block.numbers and block.is_whole:
        yield block


def _take_comment(block: _Block, comment: tuple[str, str], lines: LineReader, losses: Losses) -> None:
    match comment:
        case ("sent_id" | "id", value):
            block.id = value
        case ("text", value):
            block.text, block.line = value, lines.number
        case _:
            losses.add("comments", 1, format="documents")


def _take_row(block: _Block, cells: list[str], columns: Sequence[str], lines: LineReader, losses: Losses) -> None:
    block.numbers.append(lines.number)
    for name, cell in zip(columns, cells, strict=True):
        if name == "-":
            losses.add("cells of other columns", int(cell not in ("_", "-")), format="documents")
        else:
            block.columns.setdefault(name, []).append(cell)


def _document(
    block: _Block, lines: LineReader, *, scheme: str, unit: RowUnit, repair: Losses | None, joiner: str | None
) -> Document:
    """A sentence as a Document; with ``repair``, ill-formed tags are counted there instead of rejected."""
    texts, pos, tags = (block.columns.get(name) for name in ("word", "pos", "tag"))
    texts = texts or []
    entities = None
    if tags is not None:
        try:
            entities = spans_of_tags(tags, scheme=scheme, repair=repair is not None)
        except TagError as fault:
            raise lines.error(str(fault), line=block.numbers[fault.index]) from fault
        if repair is not None:
            repair.add(ILL_FORMED, n_ill_formed(tags, entities, scheme=scheme), format=FORMAT)
    document = _of_words(block, lines, texts, pos, entities, joiner=joiner, unit=unit)
    return document if unit == "words" else Document(document.text, None, document.entities, id=document.id)


def _of_words(
    block: _Block,
    lines: LineReader,
    texts: list[str],
    pos: list[str] | None,
    entities: list[WordSpan] | None,
    *,
    joiner: str | None,
    unit: RowUnit,
) -> Document:
    if block.text is None:
        between = blank_between if unit == "words" else blank_between_chars
        return words_joined(texts, joiner=joiner, between=between, pos=pos, entities=entities, id=block.id)
    spans = align_words(texts, block.text)
    if spans is None:
        raise lines.error(f"# text = {block.text!r} is not what the words {' '.join(texts)!r} spell", line=block.line)
    return document_of(block.text, spans, pos=pos, entities=entities, id=block.id)


def check_columns(columns: Sequence[str]) -> tuple[str, ...]:
    names = tuple(columns)
    unknown = [name for name in names if name not in _KNOWN_COLUMNS]
    if unknown or names.count("word") != 1 or max(map(names.count, ("pos", "tag"))) > 1:
        raise ValueError(
            f"columns {','.join(names)!r}; expected one word, at most one pos and one tag, and - for the others, "
            "as in word,-,-,tag"
        )
    return names


def _misfit(found: int, columns: Sequence[str] | None) -> str:
    if columns is None:
        return f"{found} columns, expected 1 to 4; say what they are, as in columns=('word', '-', 'pos', '-', 'tag')"
    advice = ", ".join(repr(name) for name in (*columns[:-1], *["-"] * (found - len(columns)), columns[-1]))
    wanted = f"{len(columns)} ({', '.join(columns)})"
    if found < len(columns):
        return f"{found} column{'s' * (found != 1)}, expected {wanted}. Mend the row, or name the separator"
    return f"{found} columns, expected {wanted}. If the file has more, pass columns=({advice})"


def write_conll(
    documents: Iterable[Document],
    out: Target,
    *,
    encoding: str = "utf-8",
    columns: Sequence[str] | None = None,
    separator: str = "\t",
    scheme: str = "BIO",
    unit: str = "words",
    off_words: str = "error",
    comments: bool = False,
) -> tuple[Loss, ...]:
    """Write each document as a sentence: one row per word, then a blank line.

    Args:
        documents: Documents with words (or any with ``unit="chars"``).
        out: A path, ``"-"`` or an open text stream.
        encoding: The encoding of the output.
        columns: The columns to write: ``word``, ``pos``, ``tag``, ``-`` (as ``_``); ``None`` takes the layers of the
            first document.
        separator: The column separator.
        scheme: Scheme of the tags.
        unit: ``words``, or ``chars``: one row per non-whitespace character.
        off_words: How to handle an entity that cuts a word or overlaps another: ``error``, ``drop``,
            ``widen``.
        comments: Write ``# sent_id`` and ``# text`` above each sentence, which preserves ids and whitespace.

    Returns:
        What CoNLL columns cannot hold.

    Raises:
        DataError: If a document lacks a layer that has a column, or a word cannot be a cell.
        ValueError: If a name of a column, scheme, unit or rule is unknown.
    """
    scheme = scheme_named(scheme)
    names = None if columns is None else check_columns(columns)
    if unit not in ("words", "chars") or off_words not in OFF_WORDS:
        raise ValueError(
            f"unit {unit!r}, off_words {off_words!r}; expected words or chars, and one of {', '.join(OFF_WORDS)}"
        )
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            rows_of = _in_chars(document, losses) if unit == "chars" else document
            words_must_tile(rows_of, output)
            if not len(rows_of.words):
                losses.add("empty documents", 1, format=FORMAT)
                continue
            names = names or _columns_of(rows_of)
            spans = entity_words(rows_of, output, off_words=off_words, losses=losses, format=FORMAT)
            tags = tags_of_spans(spans, n_words=len(rows_of.words), scheme=scheme)
            cells = _cells(rows_of, tags, names, output, separator)
            head = _comments(rows_of, output) if comments else ""
            output.write(head + "".join(separator.join(row) + "\n" for row in zip(*cells, strict=True)) + "\n")
            _count_losses(rows_of, names, losses, comments=comments)
    return losses.summary()


def _columns_of(document: Document) -> tuple[str, ...]:
    layers = document.layers
    return ("word", *(["pos"] if "pos" in layers else []), *(["tag"] if "entities" in layers else []))


def _cells(
    document: Document, tags: list[str], names: Sequence[str], output: TextOutput, separator: str
) -> list[list[str]]:
    """One list per column, each with one cell per word."""
    texts = document.words.texts
    forbidden = re.compile(r"\s") if separator != "\t" or len(names) == 1 else _BREAKS
    cells = {"word": texts, "pos": document.words.pos, "tag": tags if "entities" in document.layers else None}
    cells["-"] = ["_"] * len(texts)
    for name in names:
        column = cells[name]
        if column is None:
            layer = {"tag": "entities"}.get(name, name)
            raise output.error(
                f"a document without {layer} in a file with a column of them; leave the column out (columns=...)"
            )
        if any(map(forbidden.search, column)) or any(cell == "" or cell == _DOCSTART for cell in column):
            cell = next(cell for cell in column if forbidden.search(cell) or cell in ("", _DOCSTART))
            raise output.error(
                f"{name} {cell!r} cannot be a cell; expected no whitespace; write JSON lines, or separate by tabs"
            )
    return [cells[name] or [] for name in names]


def _comments(document: Document, output: TextOutput) -> str:
    head = "" if document.id is None else f"# sent_id = {document.id}\n"
    text = f"# text = {document.text}\n"
    if (head + text).count("\n") != 1 + bool(head) or "\r" in head + text or "\t" in head + text:
        raise output.error(
            "a text or name with a line end or tab cannot be a comment; leave comments out, or write JSON lines"
        )
    return head + text


def _in_chars(document: Document, losses: Losses) -> Document:
    """The same document with every non-whitespace character as a word."""
    text = document.text
    losses.add("words", len(document.words), format=f"{FORMAT} of characters")
    at = [i for i, char in enumerate(text) if not char.isspace()]
    entities = document.entities if "entities" in document.layers else None
    return Document(text, Words(text, at, [i + 1 for i in at]), entities, id=document.id)


def _count_losses(document: Document, names: Sequence[str], losses: Losses, *, comments: bool) -> None:
    words = document.words
    losses.add("tags", len(words) if "pos" not in names and words.pos_ids is not None else 0, format=FORMAT)
    losses.add("entities", len(document.entities) if "tag" not in names else 0, format=FORMAT)
    losses.add(NESTED, len(document.nested), format=FORMAT)
    losses.add("scores", n_scores(document), format=FORMAT)
    if not comments:
        losses.add("names of documents", int(document.id is not None), format=FORMAT)
        losses.add(
            "texts whose whitespace does not follow from the words",
            int(words_joined(words.texts, joiner=None).text != document.text),
            format=FORMAT,
        )

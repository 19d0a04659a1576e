r"""Reads and writes CoNLL-U; each sentence is a Document (https://universaldependencies.org/format.html).

What is read and written:

- FORM and UPOS (or XPOS) are words and tags; ``# sent_id`` is the Document's id; ``# text`` its text, which the
  words must spell (any whitespace is accepted where the words have some between them).
- ``SpaceAfter=No`` in MISC, and UDPipe's ``SpacesBefore`` and ``SpacesAfter`` with ``\s \t \n \r \p \\``, give the
  text between words.
- Entities are tags in MISC, ``Entity=B-PER`` (scheme BIO), on every word if the layer is annotated; ``Entity=O``
  outside entities.
- A multiword token (``2-3``) whose parts spell it (do + n't) gives its parts as words; any other (du = de + le) is one
  word, with its tags joined by ``+``. Empty nodes (``2.1``) are skipped.
- ``# text`` holds one line. A text that it cannot hold exactly (with line ends, or whitespace at its ends) is also
  written as ``# text_json = "..."``, which takes precedence when read.

A Document does not hold lemmas, features and dependencies: a reader counts them as losses, and a writer writes ``_``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, open_output
from lexel.data.folding import Fold, fold_of
from lexel.data.omissions import NESTED, Loss, Losses, n_scores
from lexel.data.tags import (
    ILL_FORMED,
    OFF_WORDS,
    TagError,
    entity_words,
    n_ill_formed,
    spans_of_tags,
    tags_of_spans,
)
from lexel.data.unread import Unread
from lexel.data.words import align_words, words_must_tile
from lexel.document import Document, Spans, Words
from lexel.errors import DataError

FORMAT = "CoNLL-U"
_N_COLUMNS = 10
_HELD_COMMENTS = ("sent_id", "text", "text_json")
_HELD_MISC = ("SpaceAfter", "SpacesAfter", "SpacesBefore")
_OTHER_COLUMNS = {2: "lemmas", 5: "features", 6: "dependencies", 8: "enhanced dependencies"}
_UNESCAPED = {r"\s": " ", r"\t": "\t", r"\n": "\n", r"\r": "\r", r"\p": "|", r"\\": "\\"}
_ESCAPED = str.maketrans({value: key for key, value in _UNESCAPED.items()})
_ID = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})|(\.[0-9]+))?")


class _Node(NamedTuple):
    """One line of a sentence: a word, or a multiword token up to word ``end``."""

    line: int
    first: int
    end: int
    cells: list[str]
    misc: dict[str, str]


@dataclass(slots=True)
class _Sentence:
    comments: dict[str, tuple[int, str]] = field(default_factory=dict)
    words: list[_Node] = field(default_factory=list)
    tokens: list[_Node] = field(default_factory=list)
    is_whole: bool = True


class _Surface(NamedTuple):
    """A word as it is in the text, and the numbers of the first and last syntactic word in it."""

    form: str
    first: int
    end: int


def read_conllu(
    source: Source,
    *,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
    pos: str = "upos",
    entity_key: str = "Entity",
    repair: bool = False,
    fold: Fold | str | None = None,
) -> Iterator[Document]:
    """Each sentence as a Document.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts everything that a Document does not hold.
        faults: How to handle a sentence that cannot be read; an error by default.
        pos: The column of the tags, ``upos`` or ``xpos``.
        entity_key: The key of entity tags in MISC.
        repair: Read ill-formed entity tags by conlleval's rule instead of rejecting them.
        fold: A rule that folds UPOS by XPOS.

    Raises:
        DataError: With ``path:line`` of a row that is not CoNLL-U, or of a ``# text`` that the words do not spell.
        ValueError: If ``pos`` is neither, or is not ``upos`` although a fold is given.
    """
    if pos not in ("upos", "xpos"):
        raise ValueError(f"pos {pos!r}; expected upos or xpos")
    if fold is not None and pos != "upos":
        raise ValueError(f"fold with pos {pos!r}; expected upos, which the rule folds")
    lines = LineReader(source, encoding=encoding)
    reading = _Reading(
        lines,
        Losses() if losses is None else losses,
        Faults() if faults is None else faults,
        Unread(lines.name),
        pos,
        entity_key,
        repair or (faults is not None and faults.repairs),
        None if fold is None else fold_of(fold),
    )
    return reading.documents()


@dataclass(frozen=True, slots=True)
class _Reading:
    """One pass over a source, with its options."""

    lines: LineReader
    losses: Losses
    faults: Faults
    unread: Unread
    pos: str
    entity_key: str
    repair: bool
    fold: Fold | None

    def documents(self) -> Iterator[Document]:
        for sentence in self._sentences():
            if (document := self.faults.attempt(partial(self._document, sentence))) is not None:
                yield document

    def _sentences(self) -> Iterator[_Sentence]:
        sentence = _Sentence()
        for line in self.lines:
            if not line:
                if sentence.words and sentence.is_whole:
                    yield sentence
                sentence = _Sentence()
            elif not sentence.is_whole:
                continue
            elif line.startswith("#") and not sentence.words:
                self._take_comment(line, sentence)
            elif self.faults.attempt(partial(self._take_row, line, sentence)) is None:
                sentence.is_whole = False
        if sentence.words and sentence.is_whole:
            yield sentence

    def _lost(self, what: str, count: int) -> None:
        self.losses.add(what, count, format="documents")

    def _take_comment(self, line: str, sentence: _Sentence) -> None:
        key, _, value = line[1:].partition("=")
        if key.strip() in _HELD_COMMENTS:
            sentence.comments[key.strip()] = self.lines.number, value.removeprefix(" ")
        else:
            self._lost("comments", 1)

    def _take_row(self, line: str, sentence: _Sentence) -> bool:
        """Add a row to a sentence; returns True."""
        cells = line.split("\t")
        while len(cells) > _N_COLUMNS and not cells[-1].strip():
            cells.pop()  # tabs at the end of a row
        if len(cells) != _N_COLUMNS:
            raise self.lines.error(f"{len(cells)} columns; expected the ten of CoNLL-U, with a tab between two")
        match = _ID.fullmatch(cells[0])
        if match is None:
            raise self.lines.error(
                f"ID {cells[0]!r}; expected a number such as 3, a range such as 3-4, or an empty node such as 3.1"
            )
        if match[3]:
            self._lost("empty nodes", 1)
            return True
        due, first, end = len(sentence.words) + 1, int(match[1]), int(match[2] or match[1])
        if first != due or end < first:
            raise self.lines.error(f"ID {cells[0]!r}; expected {due}, since words are numbered from 1 in each sentence")
        node = _Node(self.lines.number, first, end, cells, _misc(cells[9]))
        if not cells[1]:
            raise self.lines.error("FORM is empty; expected a word in every row")
        (sentence.tokens if match[2] else sentence.words).append(node)
        self._count_losses(node)
        return True

    def _count_losses(self, node: _Node) -> None:
        for column, what in _OTHER_COLUMNS.items():
            self._lost(what, int(node.cells[column] != "_"))
        column, what = (4, "XPOS tags") if self.pos == "upos" else (3, "UPOS tags")
        if self.fold is None:
            self._lost(what, int(node.cells[column] != "_"))
        self.unread.look_at_misc(node.misc, entity_key=self.entity_key)
        self._lost("MISC entries", sum(key not in _HELD_MISC and key != self.entity_key for key in node.misc))

    def _document(self, sentence: _Sentence) -> Document:
        surface = self._surface(sentence)
        text, spans = self._text(sentence, surface)
        tags = self._tags(sentence, surface)
        words = Words.of(text, spans, tags)
        id = sentence.comments.get("sent_id", (0, None))[1]
        return Document(text, words, self._entities(sentence, surface, text, spans), id=id)

    def _surface(self, sentence: _Sentence) -> list[_Surface]:
        """The words as they are in the text."""
        found: list[_Surface] = []
        numbers = iter(range(1, len(sentence.words) + 1))
        tokens = {token.first: token for token in sentence.tokens}
        for number in numbers:
            token = tokens.get(number)
            if token is None:
                found.append(_Surface(sentence.words[number - 1].cells[1], number, number))
                continue
            if token.end > len(sentence.words):
                raise self.lines.error(
                    f"token {token.cells[0]}; the sentence has {len(sentence.words)} words", line=token.line
                )
            parts = [word.cells[1] for word in sentence.words[number - 1 : token.end]]
            if "".join(parts) == token.cells[1]:
                found.extend(_Surface(part, number + i, number + i) for i, part in enumerate(parts))
            else:
                self._lost("words inside multiword tokens", len(parts))
                found.append(_Surface(token.cells[1], number, token.end))
            for _ in range(token.end - number):
                next(numbers)
        return found

    def _text(self, sentence: _Sentence, surface: Sequence[_Surface]) -> tuple[str, list[tuple[int, int]]]:
        """The sentence's text and the offsets of its words."""
        spelled, spans = _spelled(sentence, surface)
        if "text_json" in sentence.comments:
            line, value = sentence.comments["text_json"]
            text = _json_text(value)
            aligned = None if text is None else align_words([word.form for word in surface], text)
            if text is None or aligned is None:
                raise self._disagreement("text_json", line, value, spelled)
            return text, aligned
        if "text" not in sentence.comments:
            return spelled, spans
        line, text = sentence.comments["text"]
        aligned = align_words([word.form for word in surface], text)
        if aligned is None or _joints(aligned) != _joints(spans):
            raise self._disagreement("text", line, text, spelled)
        return text, aligned

    def _disagreement(self, key: str, line: int, text: str, spelled: str) -> DataError:
        return self.lines.error(
            f"# {key} = {text!r}, but the words spell {spelled!r}; expected the same; check SpaceAfter=No", line=line
        )

    def _tags(self, sentence: _Sentence, surface: Sequence[_Surface]) -> list[str] | None:
        column = 3 if self.pos == "upos" else 4
        tags = [word.cells[column] for word in sentence.words]
        if all(tag == "_" for tag in tags):
            return None
        if self.fold is not None:
            tags = self._folded(sentence, tags, self.fold)
        return ["+".join(tags[word.first - 1 : word.end]) for word in surface]

    def _folded(self, sentence: _Sentence, tags: Sequence[str], fold: Fold) -> list[str]:
        xpos = [word.cells[4] for word in sentence.words]
        if all(tag == "_" for tag in xpos):
            raise self.lines.error(
                f"no XPOS; the rule {fold.name} folds tags by it; expected it in column 5", line=sentence.words[0].line
            )
        return fold.apply(tags, xpos)

    def _entities(
        self, sentence: _Sentence, surface: Sequence[_Surface], text: str, spans: Sequence[tuple[int, int]]
    ) -> Spans | None:
        tags = [word.misc.get(self.entity_key) for word in sentence.words]
        if all(tag is None for tag in tags):
            return None
        written = [tag or "O" for tag in tags]
        try:
            found = spans_of_tags(written, scheme="BIO", repair=self.repair)
        except TagError as fault:
            raise self.lines.error(f"{self.entity_key}: {fault}", line=sentence.words[fault.index].line) from fault
        if self.repair:
            self._lost(ILL_FORMED, n_ill_formed(written, found, scheme="BIO"))
        owner = {number: i for i, word in enumerate(surface) for number in range(word.first, word.end + 1)}
        return Spans.of(
            text, [(spans[owner[first + 1]][0], spans[owner[end]][1], label) for first, end, label in found]
        )


def _misc(cell: str) -> dict[str, str]:
    if cell == "_":
        return {}
    return {key: value for key, _, value in (entry.partition("=") for entry in cell.split("|"))}


def _spelled(sentence: _Sentence, surface: Sequence[_Surface]) -> tuple[str, list[tuple[int, int]]]:
    """The text that the words and the spaces between them spell, without whitespace at its ends."""
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    at = 0
    tokens = {number: token for token in sentence.tokens for number in range(token.first, token.end + 1)}
    for i, word in enumerate(surface):
        token = tokens.get(word.first)
        inside = token is not None and word.end < token.end
        before = "" if i == 0 else _unescape((token or sentence.words[word.first - 1]).misc.get("SpacesBefore", ""))
        after = "" if inside or i + 1 == len(surface) else _after((token or sentence.words[word.end - 1]).misc)
        if token is not None and word.first > token.first:
            before = ""
        spans.append((at + len(before), at + len(before) + len(word.form)))
        parts += [before, word.form, after]
        at = spans[-1][1] + len(after)
    return "".join(parts), spans


def _after(misc: dict[str, str]) -> str:
    if "SpacesAfter" in misc:
        return _unescape(misc["SpacesAfter"])
    return "" if misc.get("SpaceAfter") == "No" else " "


def _unescape(value: str) -> str:
    return re.sub(r"\\.", lambda match: _UNESCAPED.get(match[0], match[0]), value)


def _joints(spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether each word except the first begins where the previous one ends."""
    return [end == start for (_, end), (start, _) in pairwise(spans)]


def _json_text(value: str) -> str | None:
    try:
        text = json.loads(value)
    except ValueError:
        return None
    return text if isinstance(text, str) else None


def _one_line(text: str) -> str:
    """The text in a form that ``# text`` can hold: each run of whitespace with a line end or tab becomes one space."""
    return re.sub(r"\s*[\t\n\r]\s*", " ", text).strip()


def write_conllu(
    documents: Iterable[Document],
    out: Target,
    *,
    encoding: str = "utf-8",
    entity_key: str = "Entity",
    off_words: str = "error",
) -> tuple[Loss, ...]:
    """Write each document as a sentence.

    Args:
        documents: Documents with words.
        out: A path, ``"-"`` or an open text stream.
        encoding: The encoding of the output.
        entity_key: The key of entity tags in MISC.
        off_words: How to handle an entity that cuts a word or overlaps another: ``error``, ``drop``,
            ``widen``.

    Returns:
        What CoNLL-U cannot hold (it has no empty sentences).

    Raises:
        DataError: If a document has no words, or has a word that cannot be a cell.
        ValueError: If ``off_words`` is unknown.
    """
    if off_words not in OFF_WORDS:
        raise ValueError(f"off_words {off_words!r}; expected one of {', '.join(OFF_WORDS)}")
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            words_must_tile(document, output)
            if not len(document.words):
                losses.add("empty documents", 1, format=FORMAT)
                continue
            spans = entity_words(document, output, off_words=off_words, losses=losses, format=FORMAT)
            tags = tags_of_spans(spans, n_words=len(document.words), scheme="BIO")
            rows = _rows(document, tags if "entities" in document.layers else None, entity_key, output)
            output.write(_comments(document, output) + "".join(rows) + "\n")
            losses.add(NESTED, len(document.nested), format=FORMAT)
            losses.add("scores", n_scores(document), format=FORMAT)
    return losses.summary()


def _comments(document: Document, output: TextOutput) -> str:
    text, id = document.text, document.id
    if id is not None and (not id or id != id.strip() or "\n" in id or "\r" in id):
        raise output.error(f"id {id!r} cannot be a comment; expected one line; write JSON lines instead")
    head = "" if id is None else f"# sent_id = {id}\n"
    line = _one_line(text)
    exact = "" if line == text else f"# text_json = {json.dumps(text, ensure_ascii=False)}\n"
    return f"{head}# text = {line}\n{exact}"


def _rows(document: Document, tags: Sequence[str] | None, entity_key: str, output: TextOutput) -> Iterator[str]:
    words, text = document.words, document.text
    starts, ends, pos = words.starts.tolist(), words.ends.tolist(), words.pos
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        form, tag = text[start:end], "_" if pos is None else pos[i]
        bad = [cell for cell in (form, tag) if not cell or cell != cell.strip() or re.search(r"[\t\n\r]", cell)]
        bad += [] if tags is None else re.findall(r".*[|\s].*", tags[i], re.DOTALL)
        if bad:
            raise output.error(
                f"{bad[0]!r} cannot be a cell; expected no tab or line end in it, and no whitespace at its ends; "
                "write JSON lines"
            )
        misc = [] if tags is None else [f"{entity_key}={tags[i]}"]
        if i + 1 == len(starts):
            after = text[end:]
            misc += [f"SpacesAfter={after.translate(_ESCAPED)}"] if after else []
        else:
            after = text[end : starts[i + 1]]
            misc += (
                ["SpaceAfter=No"] if not after else [] if after == " " else [f"SpacesAfter={after.translate(_ESCAPED)}"]
            )
        if i == 0 and start:
            misc.append(f"SpacesBefore={text[:start].translate(_ESCAPED)}")
        yield f"{i + 1}\t{form}\t_\t{tag}\t_\t_\t_\t_\t_\t{'|'.join(misc) or '_'}\n"

r"""WebAnno TSV 3.x, the export format of INCEpTION and WebAnno: a header with layers, then one row per token.

    #FORMAT=WebAnno TSV 3.3
    #T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value


    #Text=Jane Roe left.
    1-1   0-4    Jane   *[1]   PER[1]
    1-2   5-8    Roe    *[1]   PER[1]
    1-3   9-13   left   _      _
    1-4   13-14  .      _      _

Offsets count UTF-16 units from the start of the file's text, since the tools are written in Java. A number in brackets
joins the cells of one annotation, ``|`` separates annotations of one token, and rows such as ``1-1.1`` are parts of a
token. ``\`` escapes the special characters of the format. Entities come from the layer NamedEntity, otherwise from the
first custom layer of spans; tags come from the layer POS. Each sentence is a Document. See
https://inception-project.github.io/releases/latest/docs/user-guide.html#sect_webannotsv.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count, pairwise

import numpy as np

from lexel.data.annotated.webanno_escapes import escaped_text, escaped_value, plain_text, plain_value
from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, open_output
from lexel.data.levels import Levels, has_entities, levels_of
from lexel.data.offsets import chars_of, check_order, unit_positions
from lexel.data.omissions import Loss, Losses, n_scores
from lexel.data.words import words_must_tile
from lexel.document import Document, Span, Words

FORMAT = "WebAnno TSV"
HEADER = "#FORMAT=WebAnno TSV 3"
_POS = "de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS"
_NAMES = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
_CUSTOM = "webanno.custom."
_TEXT, _ID = "#Text=", "#Sentence.id="
_LABEL_FEATURES = ("value", "label", "Label")
_UNIT = re.compile(r"\d+-(\d+)(\.\d+)?")
_STACKED = re.compile(r"(?:\\.|[^\\|])+", re.DOTALL)
_NUMBERED = re.compile(r"((?:\\.|[^\\])*)\[(\d+)\]", re.DOTALL)
_NONE, _NO_VALUE = "_", "*"


@dataclass(slots=True)
class _Columns:
    """The cells of each layer in a row; ``None`` if the file does not have the layer.

    ``default`` is the label of entities if their layer has no features: the layer's name.
    """

    version: str = "3.3"
    pos: int | None = None
    label: int | None = None
    default: str = ""
    others: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 3 + len(self.others) + (self.pos is not None) + (self.label is not None)


@dataclass(slots=True)
class _Unit:
    """A row: a token, or a part of one."""

    start: int
    end: int
    is_token: bool
    cells: list[str]
    line: int


@dataclass(slots=True)
class _Sentence:
    id: str | None = None
    texts: list[str] = field(default_factory=list)
    units: list[_Unit] = field(default_factory=list)
    line: int = 0
    is_whole: bool = True


def read_webanno(
    source: Source, /, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    """Reads each sentence as a Document with words, tags and entities.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts annotations of other layers, and entities without a value, of length zero, or across the end of
            a sentence.
        faults: How to handle a sentence that cannot be read; an error by default.

    Raises:
        DataError: With ``path:line`` of a row that does not match the header or its text.
    """
    losses = Losses() if losses is None else losses
    faults = Faults() if faults is None else faults
    lines = LineReader(source, encoding=encoding)
    rows = iter(lines)
    columns = _header(rows, lines)
    before: set[str] = set()
    ends: list[_Sentence | None] = [None]
    for sentence, following in pairwise(chain(_sentences(rows, lines, columns, faults), ends)):
        if sentence is None:
            break
        over = _numbers(sentence, columns) & (_numbers(following, columns) if following else set())
        losses.add("entities over a sentence's end", len(over - before), format="documents")
        document = faults.attempt(partial(_document, sentence, lines, columns, losses, left_out=over | before))
        before = over
        if document is not None:
            yield document


def _header(rows: Iterator[str], lines: LineReader) -> _Columns:
    first = next(rows, "")
    if not first.startswith(HEADER):
        raise lines.error(f"{first!r:.40}; expected {HEADER!r} and its minor version in the first line", line=1)
    layers: list[tuple[str, list[str]]] = []
    for line in rows:
        if not line.startswith("#T_"):
            break
        kind, _, rest = line.partition("=")
        name, *features = rest.split("|")
        layers.append((name if kind == "#T_SP" else kind, features or [""]))
    custom = next((name for name, _ in layers if name.startswith(_CUSTOM)), None)
    names = [name for name, _ in layers]
    chosen = _NAMES if _NAMES in names else custom
    columns, at = _Columns(first.removeprefix("#FORMAT=WebAnno TSV ")), 3
    for name, features in layers:
        label = None
        if name == chosen and columns.label is None:
            columns.default = "" if features[0] else name.rpartition(".")[2]
            label = next((one for one in _LABEL_FEATURES if one in features), features[0])
        for feature in features:
            if name == _POS and feature == "PosValue":
                columns.pos = at
            elif feature == label and columns.label is None:
                columns.label = at
            else:
                columns.others.append(at)
            at += 1
    return columns


def _sentences(rows: Iterator[str], lines: LineReader, columns: _Columns, faults: Faults) -> Iterator[_Sentence]:
    sentence = _Sentence()
    for line in rows:
        if sentence.units and (not line or line.startswith("#")):
            if sentence.is_whole:
                yield sentence
            sentence = _Sentence()
        if line.startswith(_TEXT):
            sentence.line = sentence.line or lines.number
            sentence.texts.append(plain_text(line.removeprefix(_TEXT), columns.version))
        elif line.startswith(_ID):
            sentence.id = plain_text(line.removeprefix(_ID), columns.version)
        elif line and not line.startswith("#"):
            unit = faults.attempt(partial(_unit, line, lines, columns)) if sentence.is_whole else None
            sentence.is_whole = unit is not None
            sentence.units.append(unit or _Unit(0, 0, True, [], lines.number))
    if sentence.units and sentence.is_whole:
        yield sentence


def _unit(line: str, lines: LineReader, columns: _Columns) -> _Unit:
    cells = line.split("\t")
    place, _, ends = cells[1].partition("-") if len(cells) > 1 else ("", "", "")
    match = _UNIT.fullmatch(cells[0])
    if match is None or not place.isdecimal() or not ends.isdecimal():
        raise lines.error(
            f"{line!r:.60} is not a row; expected a number such as 1-1, offsets such as 0-4, and the token"
        )
    if len(cells) < columns.size:
        raise lines.error(f"{len(cells)} cells; the header names {columns.size} columns; expected as many")
    return _Unit(int(place), int(ends), match[2] is None, cells, lines.number)


def _numbers(sentence: _Sentence, columns: _Columns) -> set[str]:
    """The numbers of the entities with cells in a sentence."""
    if columns.label is None:
        return set()
    cells = chain.from_iterable(_STACKED.findall(unit.cells[columns.label]) for unit in sentence.units)
    return {match[2] for cell in cells if (match := _NUMBERED.fullmatch(cell))}


def _document(
    sentence: _Sentence, lines: LineReader, columns: _Columns, losses: Losses, *, left_out: set[str]
) -> Document:
    text = "\n".join(sentence.texts)
    places = _places(sentence, text, lines)
    tokens = [(place, unit) for place, unit in zip(places, sentence.units, strict=True) if unit.is_token]
    spans = [place for place, _ in tokens]
    try:
        check_order(np.asarray(spans, dtype=np.int64).reshape(-1, 2))
    except ValueError as error:
        raise lines.error(f"tokens {error}", line=sentence.line) from error
    pos = None if columns.pos is None else [_values(unit.cells[columns.pos])[0][0] or "_" for _, unit in tokens]
    levels = Levels(None, None)
    if columns.label is not None:
        levels = levels_of(text, _entities(sentence.units, places, columns, losses, left_out))
    others = (cell for unit in sentence.units for at in columns.others for cell in unit.cells[at : at + 1])
    losses.add("cells of other features and layers", sum(map(_says_something, others)), format="documents")
    return Document(text, Words.of(text, spans, pos), levels.entities, id=sentence.id, nested=levels.nested)


def _says_something(cell: str) -> bool:
    return any(value not in (None, "") for value, _ in _values(cell))


def _places(sentence: _Sentence, text: str, lines: LineReader) -> list[tuple[int, int]]:
    """The offsets of the units in the sentence's text, in chars; a sentence begins at its first token."""
    first = sentence.units[0]
    begin = first.start
    if not text.startswith((first.cells[2], plain_text(first.cells[2], ""))):
        ahead = len(text) - len(text.lstrip())
        positions = unit_positions(text, "utf16")
        begin -= ahead if positions is None else int(positions[ahead])
    found: list[tuple[int, int]] = []
    for unit in sentence.units:
        try:
            start, end = _place(unit.start - begin, unit.end - begin, text)
        except ValueError as error:
            raise lines.error(
                f"offsets {unit.start}-{unit.end} are not in the text: {error}", line=unit.line
            ) from error
        said = unit.cells[2]
        if text[start:end] not in (said, plain_text(said, "")):
            spelled = (
                f"offsets {unit.start}-{unit.end} are {text[start:end]!r:.30} in the text, the row says {said!r:.30}"
            )
            raise lines.error(f"{spelled}; expected offsets in UTF-16 units", line=unit.line)
        found.append((start, end))
    return found


def _place(start: int, end: int, text: str) -> tuple[int, int]:
    """Converts a range of UTF-16 units to chars; for annotations between two characters, the range is empty.

    Raises:
        ValueError: If it is outside the text, or cuts a character in two.
    """
    if start == end == 0:
        return 0, 0
    ((first, last),) = chars_of(np.asarray([(0 if start == end else start, end)]), text, unit="utf16").tolist()
    return (last if start == end else first), last


def _entities(
    units: Sequence[_Unit], places: Sequence[tuple[int, int]], columns: _Columns, losses: Losses, left_out: set[str]
) -> list[tuple[int, int, str]]:
    found: dict[str, tuple[int, int, str]] = {}
    unnumbered = count()
    for unit, (start, end) in zip(units, places, strict=True):
        for said, number in _values(unit.cells[columns.label or 0]):
            value = columns.default if said == "" else said
            if value is None or number in left_out:
                continue
            if not value:
                losses.add("entities without a value", int(number is None or number not in found), format="documents")
                found.setdefault(number or f"-{next(unnumbered)}", (start, end, ""))
            elif number is None:
                found[f"-{next(unnumbered)}"] = (start, end, value)
            else:
                first, _, _ = found.get(number, (start, end, value))
                found[number] = (first, end, value)
    spans = [span for span in found.values() if span[2]]
    losses.add("entities of no length", sum(start == end for start, end, _ in spans), format="documents")
    return [span for span in spans if span[0] < span[1]]


def _values(cell: str) -> list[tuple[str | None, str | None]]:
    """The annotations of a cell (``None`` for none, ``""`` for one without a value), and the number of each."""
    if cell in (_NONE, ""):
        return [(None, None)]
    found: list[tuple[str | None, str | None]] = []
    for one in _STACKED.findall(cell):
        match = _NUMBERED.fullmatch(one)
        value, number = (match[1], match[2]) if match else (one, None)
        plain = plain_value(value)
        found.append(("" if value in (_NO_VALUE, _NONE) else plain, number))
    return found


def write_webanno(documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8") -> tuple[Loss, ...]:
    """Write each document as a sentence; the first document determines the layers of the file.

    Args:
        documents: Documents with words.
        out: A path, ``"-"`` or an open stream.
        encoding: The encoding of the output.

    Returns:
        What the format cannot hold: scores, empty documents, and whitespace before the first word.

    Raises:
        DataError: If a document has no words, or lacks a layer of the file.
    """
    losses = Losses()
    layers: frozenset[str] | None = None
    offset, numbers, n_sentences = 0, count(1), 0
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            words_must_tile(document, output)
            if not len(document.words):
                losses.add("empty documents", 1, format=FORMAT)
                continue
            if layers is None:
                layers = _layers_of(document)
                output.write(_header_lines(layers))
            if missing := sorted(layers - _layers_of(document)):
                raise output.error(
                    f"a document without {missing[0]} in a file with them; expected the layers of the first"
                )
            losses.add("entities", len(document.all_entities) if "entities" not in layers else 0, format=FORMAT)
            losses.add("tags", len(document.words) if "pos" in document.layers - layers else 0, format=FORMAT)
            losses.add("scores", n_scores(document), format=FORMAT)
            n_sentences += 1
            offset += _write_sentence(document, output, layers, losses, offset=offset, number=n_sentences, ids=numbers)
        if layers is None:
            output.write(_header_lines(frozenset()))
    return losses.summary()


def _layers_of(document: Document) -> frozenset[str]:
    """The layers that become columns."""
    return document.layers & {"pos"} | ({"entities"} if has_entities(document) else set())


def _header_lines(layers: frozenset[str]) -> str:
    pos = f"#T_SP={_POS}|PosValue\n" if "pos" in layers else ""
    names = f"#T_SP={_NAMES}|value\n" if "entities" in layers else ""
    return f"#FORMAT=WebAnno TSV 3.3\n{pos}{names}\n"


def _write_sentence(
    document: Document,
    output: TextOutput,
    layers: frozenset[str],
    losses: Losses,
    *,
    offset: int,
    number: int,
    ids: Iterator[int],
) -> int:
    """Write one sentence; returns its length in UTF-16 units, including the line end after it."""
    ahead = int(document.words.starts[0])
    losses.add("whitespace in front of the first word", ahead, format=FORMAT)
    text = document.text[ahead:]
    positions = unit_positions(text, "utf16")
    units = _units(document, "entities" in layers)
    values = _label_cells(document, units, losses, ids=ids)
    id = "" if document.id is None else f"{_ID}{escaped_text(document.id)}\n"
    rows = ["\n", id, *(f"{_TEXT}{escaped_text(line)}\n" for line in text.split("\n"))]
    pos = document.words.pos
    token = part = 0
    for (start, end, is_token), value in zip(units, values, strict=True):
        token, part = (token + 1, 0) if is_token else (token, part + 1)
        first, last = (start - ahead, end - ahead) if positions is None else positions[[start - ahead, end - ahead]]
        cells = [f"{number}-{token}" + f".{part}" * (not is_token), f"{offset + first}-{offset + last}"]
        said = document.text[start:end]
        cells.append(escaped_text(said) if re.search(r"[\x00-\x1f]", said) else said)
        if "pos" in layers:
            cells.append(escaped_value(pos[token - 1]) if is_token and pos else _NONE)
        if "entities" in layers:
            cells.append(value)
        rows.append("\t".join(cells) + "\t\n")
    output.write("".join(rows))
    return 1 + (len(text) if positions is None else int(positions[-1]))


def _units(document: Document, with_entities: bool) -> list[tuple[int, int, bool]]:
    """The words, each followed by its parts, if an entity begins or ends inside it."""
    cuts = {at for span in document.all_entities for at in (span.start, span.end)} if with_entities else set()
    units: list[tuple[int, int, bool]] = []
    for word in document.words:
        units.append((word.start, word.end, True))
        edges = [word.start, *sorted(at for at in cuts if word.start < at < word.end), word.end]
        if len(edges) > 2:
            units += ((start, end, False) for start, end in pairwise(edges))
    return units


def _label_cells(
    document: Document, units: Sequence[tuple[int, int, bool]], losses: Losses, *, ids: Iterator[int]
) -> list[str]:
    """The entity cell of each unit."""
    cells: list[list[str]] = [[] for _ in units]
    for span in document.all_entities:
        covered = _covered(span, units)
        if not covered or (units[covered[0]][0], units[covered[-1]][1]) != (span.start, span.end):
            losses.add("entities that begin or end outside of words", 1, format=FORMAT)
            continue
        value = f"{escaped_value(span.label)}[{next(ids)}]"
        for i in covered:
            cells[i].append(value)
    return ["|".join(values) or _NONE for values in cells]


def _covered(span: Span, units: Sequence[tuple[int, int, bool]]) -> list[int]:
    """The units of a span: the words inside it, and parts of words that extend beyond it."""
    found: list[int] = []
    inside = False
    for i, (start, end, is_token) in enumerate(units):
        lies_in = span.start <= start and end <= span.end
        if is_token:
            inside = lies_in
        if lies_in and (is_token or not inside):
            found.append(i)
    return found

"""Documents for the eye: a self-contained HTML page, and words over their tags in a terminal.

Both show what a Document says and are not read back. Scores of words and tags are left out, and no loss: nobody who
looks at a page wants a number under every word. Control characters are shown as their pictures (U+2400 and on),
so that a text cannot speak to the terminal.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from lexel.data.files import Target, open_output
from lexel.data.omissions import Loss, Losses
from lexel.document import Document, Span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

HTML_FORMAT = "HTML"
TERMINAL_FORMAT = "the terminal"
N_COLOURS = 10
_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
"""Characters that turn what follows them, which on a terminal is the rest of the line, tags and all."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_ANSI_COLOURS = (
    "cyan",
    "yellow",
    "green",
    "magenta",
    "blue",
    "red",
    "bright_cyan",
    "bright_yellow",
    "bright_green",
    "bright_magenta",
)


class _Part(NamedTuple):
    """A stretch of text that lies wholly in or out of every word and entity."""

    start: int
    end: int
    word: int | None
    first_of_word: bool


def visible(text: str) -> str:
    """The text with control characters but tab and line feed as pictures."""
    return text.translate(_PICTURES)


def _nested(entities: Iterable[Span]) -> list[Span]:
    """The entities in order, outer before inner, without those that cross one before them."""
    kept: list[Span] = []
    open_ends: list[int] = []
    for entity in sorted(entities, key=lambda span: (span.start, -span.end)):
        while open_ends and open_ends[-1] <= entity.start:
            open_ends.pop()
        if not open_ends or entity.end <= open_ends[-1]:
            kept.append(entity)
            open_ends.append(entity.end)
    return kept


def _parts(document: Document, entities: Sequence[Span]) -> Iterator[_Part]:
    """The text cut wherever a word or an entity begins or ends."""
    starts, ends = document.words.starts.tolist(), document.words.ends.tolist()
    cuts = {0, len(document.text), *starts, *ends}
    cuts.update(edge for entity in entities for edge in (entity.start, entity.end))
    word = 0
    for start, end in pairwise(sorted(cuts)):
        while word < len(starts) and ends[word] <= start:
            word += 1
        inside = word < len(starts) and starts[word] <= start
        yield _Part(start, end, word if inside else None, inside and starts[word] == start)


# HTML


def write_html(
    documents: Iterable[Document], out: Target, *, encoding: str = "utf-8", title: str = "Lexel"
) -> tuple[Loss, ...]:
    """Write one page: words set apart, tags below them, entities highlighted, a legend with counts.

    The page needs nothing from elsewhere, follows the reader's light or dark setting, and copying from it gives the
    text alone.

    Args:
        documents: Any documents; those without words show their text.
        out: A path, ``"-"`` or an open text stream.
        encoding: How characters are written; the page says so in its head.
        title: What the page is called.

    Returns:
        What the page should show and does not: entities that cross another.

    Raises:
        DataError: If a text has a lone surrogate, or the target cannot be written.
    """
    losses, labels = Losses(), Counter[str]()
    n_documents = n_words = 0
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    with open_output(out, encoding=encoding) as output:
        output.write(
            f'<!doctype html>\n<html>\n<head>\n<meta charset="{escape(encoding)}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        )
        for document in documents:
            entities = _nested(document.entities)
            labels.update(entity.label for entity in entities)
            output.write(_article(document, entities, colours={label: i for i, label in enumerate(labels)}))
            n_documents, n_words = n_documents + 1, n_words + len(document.words)
            losses.add("entities that cross another", len(document.entities) - len(entities), format=HTML_FORMAT)
        output.write(_foot(title, labels, n_documents=n_documents, n_words=n_words))
    return losses.summary()


def _article(document: Document, entities: Sequence[Span], *, colours: dict[str, int]) -> str:
    kind = "words" if "words" in document.layers else "plain"
    head = "" if document.id is None else f"<h2>{escape(visible(document.id))}</h2>\n"
    base = "rtl" if _direction(document.text) == "rtl" else "ltr"
    body = "".join(_body(document, entities, colours, base=base))
    return f'<article>\n{head}<p dir="{base}" class="{kind}">{body}</p>\n</article>\n'


class _Element(NamedTuple):
    """An element of the page around a stretch of text."""

    start: int
    end: int
    opening: str
    closing: str


def _body(document: Document, entities: Sequence[Span], colours: dict[str, int], *, base: str) -> Iterator[str]:
    text, pos = document.text, document.words.pos
    parts = list(_parts(document, entities))
    elements = [_Element(span.start, span.end, _mark(span, colours[span.label]), "</mark>") for span in entities]
    elements += _turned_runs(text, parts, entities, base=base)
    waiting = sorted(elements, key=lambda element: (-element.start, element.end, element.closing == "</bdi>"))
    opened: list[_Element] = []
    for part in parts:
        while opened and opened[-1].end <= part.start:
            yield opened.pop().closing
        while waiting and waiting[-1].start == part.start:
            opened.append(waiting.pop())
            yield opened[-1].opening
        shown = escape(visible(text[part.start : part.end]))
        if part.word is None:
            yield shown
        else:
            tag = "" if pos is None or not part.first_of_word else f' data-pos="{escape(visible(pos[part.word]))}"'
            yield f'<span class="w"{tag}>{shown}</span>'
    yield from (element.closing for element in reversed(opened))


def _turned_runs(text: str, parts: Sequence[_Part], entities: Sequence[Span], *, base: str) -> list[_Element]:
    """Elements around words that run against the paragraph, so that they stand in their own order.

    A word is a box, and boxes stand in the order of the paragraph whatever is in them: "Joe" and "Biden" would change
    places in a Hebrew sentence.
    """
    if not _RIGHT_TO_LEFT.search(text):
        return []
    turned = "ltr" if base == "rtl" else "rtl"
    runs: list[list[int]] = []
    going = False
    for part in parts:
        direction = _direction(text[part.start : part.end])
        if direction == turned:
            runs[-1:] = [[runs[-1][0], part.end]] if going else [*runs[-1:], [part.start, part.end]]
        going = direction == turned or (going and direction is None)
    return [
        _Element(start, end, f'<bdi dir="{turned}">', "</bdi>")
        for run in runs
        for start, end in pairwise([run[0], *_crossed(run[0], run[1], entities), run[1]])
    ]


def _crossed(start: int, end: int, entities: Iterable[Span]) -> list[int]:
    """Where a run must be cut so that it lies wholly in or wholly around each entity."""
    before = {entity.end for entity in entities if entity.start < start < entity.end < end}
    after = {entity.start for entity in entities if start < entity.start < end < entity.end}
    return sorted(before | after)


def _mark(entity: Span, colour: int) -> str:
    label = escape(visible(entity.label))
    score = "" if entity.score is None else f' title="{label} {entity.score:.4f}"'
    return f'<mark class="c{colour % N_COLOURS}" data-label="{label}"{score}>'


def _foot(title: str, labels: Counter[str], *, n_documents: int, n_words: int) -> str:
    """The head of the page, written last because it counts, and shown first by its style."""
    counts = f"{n_documents:,} documents, {n_words:,} words, {sum(labels.values()):,} entities"
    legend = "".join(
        f'<li><mark class="c{i % N_COLOURS}">{escape(visible(label))}</mark> {count:,}</li>\n'
        for i, (label, count) in enumerate(labels.items())
    )
    head = f"<header>\n<h1>{escape(title)}</h1>\n<p>{counts}</p>\n<ul>\n{legend}</ul>\n</header>"
    return f"</main>\n{head}\n</body>\n</html>\n"


def _direction(text: str) -> str | None:
    """``ltr`` or ``rtl`` by the first character that has a direction, as ``dir="auto"`` decides it."""
    kinds = map(unicodedata.bidirectional, text)
    return next(("ltr" if kind == "L" else "rtl" for kind in kinds if kind in ("L", "R", "AL")), None)


# Terminal


class _Cell(NamedTuple):
    """What is shown in one column: a word over its tag, and the label of an entity that begins in it."""

    text: str
    pos: str
    label: str | None
    entity: int | None
    gap: int
    breaks: bool


def write_terminal(
    documents: Iterable[Document],
    out: Target = "-",
    *,
    encoding: str = "utf-8",
    colour: bool | None = None,
    width: int | None = None,
) -> tuple[Loss, ...]:
    """Write words over their tags, and a bar with its label under each entity.

    Args:
        documents: Any documents; those without words show their text.
        out: ``"-"``, a path or an open text stream.
        encoding: How characters are written.
        colour: With colours; ``None`` uses them on a terminal, unless ``NO_COLOR`` is set.
        width: Columns to use; ``None`` asks the terminal, or takes 80.

    Returns:
        What should be shown and is not: entities inside of others.

    Raises:
        DataError: If a text has a lone surrogate, or the target cannot be written.
    """
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        if colour is None:
            colour = output.is_terminal and not os.environ.get("NO_COLOR")
        if width is None:
            width = shutil.get_terminal_size().columns if output.is_terminal else 80
        console, colours = _console(colour, width), dict[str, int]()
        for document in documents:
            outer = _outermost(document)
            losses.add("entities over others", len(document.entities) - len(outer), format=TERMINAL_FORMAT)
            for entity in outer:
                colours.setdefault(entity.label, len(colours) % len(_ANSI_COLOURS))
            output.write(_drawn(document, outer, console, colours))
    return losses.summary()


def _outermost(document: Document) -> list[Span]:
    kept: list[Span] = []
    for entity in _nested(document.entities):
        if not kept or kept[-1].end <= entity.start:
            kept.append(entity)
    return kept


def _console(colour: bool, width: int) -> Console:
    from rich.console import Console

    return Console(
        file=io.StringIO(), force_terminal=colour, color_system="standard" if colour else None, width=max(width, 8),
        legacy_windows=False, highlight=False, markup=False, emoji=False, no_color=not colour,
    )  # fmt: skip


def _drawn(document: Document, entities: Sequence[Span], console: Console, colours: dict[str, int]) -> str:
    from rich.text import Text

    with console.capture() as drawing:
        if document.id is not None:
            console.print(Text(visible(document.id), style="dim italic"), soft_wrap=True)
        for row in _rows(_cells(document, entities, console.width), console.width):
            for line in _lines(row, entities, colours):
                console.print(line, soft_wrap=True)
        console.print()
    return drawing.get()


def _cells(document: Document, entities: Sequence[Span], width: int) -> Iterator[_Cell]:
    """A cell a word (or a part of one that is too wide), or a cell a run of text where there are no words."""
    from rich.cells import chop_cells

    text, pos = document.text, document.words.pos
    has_words = "words" in document.layers
    text = text.translate(_DIRECTIONS)
    at, gap, breaks = 0, 0, False
    for part in _parts(document, entities):
        while at < len(entities) and entities[at].end <= part.start:
            at += 1
        entity = at if at < len(entities) and entities[at].start <= part.start else None
        label = entities[at].label if entity is not None and entities[at].start == part.start else None
        for piece, n_blanks, n_breaks in _runs(text[part.start : part.end], split=not has_words):
            if piece:
                tag = pos[part.word] if pos is not None and part.word is not None and part.first_of_word else ""
                gap = (
                    gap if not has_words else 0 if part.word is not None and not part.first_of_word else 2 if pos else 1
                )
                for shown in chop_cells(visible(piece), width):
                    yield _Cell(shown, visible(tag), None if label is None else visible(label), entity, gap, breaks)
                    tag, label, gap, breaks = "", None, 0, False
            gap, breaks = min(n_blanks, 1), breaks or bool(n_breaks)


def _runs(text: str, *, split: bool) -> Iterator[tuple[str, int, int]]:
    """Runs of text, with how many blanks and how many line feeds come after each."""
    if not split:
        blank = text.isspace()
        yield "" if blank else text.replace("\n", "␊").replace("\t", "␉"), int(blank), text.count("\n") if blank else 0
        return
    run, blanks, breaks = "", 0, 0
    for char in text:
        if char.isspace():
            blanks, breaks = blanks + 1, breaks + (char == "\n")
            continue
        if blanks:
            yield run, blanks, breaks
            run, blanks, breaks = "", 0, 0
        run += char
    yield run, blanks, breaks


def _rows(cells: Iterable[_Cell], width: int) -> Iterator[list[tuple[_Cell, int]]]:
    """Cells with their widths, as many in a row as there is room for."""
    from rich.cells import cell_len

    row: list[tuple[_Cell, int]] = []
    used = 0
    for cell in cells:
        size = min(max(map(cell_len, (cell.text, cell.pos, cell.label or ""))), width)
        if row and (cell.breaks or used + cell.gap + size > width):
            yield row
            row, used = [], 0
        used += size + (cell.gap if row else 0)
        row.append((cell, size))
    if row:
        yield row


def _lines(row: Sequence[tuple[_Cell, int]], entities: Sequence[Span], colours: dict[str, int]) -> Iterator[Text]:
    """The lines of one row: words, tags if there are any, bars of entities if there are any."""
    from rich.cells import set_cell_size
    from rich.text import Text

    words, tags, bars = Text(), Text(), Text()
    before: int | None = None
    for i, (cell, size) in enumerate(row):
        gap = cell.gap if i else 0
        style = "" if cell.entity is None else _ANSI_COLOURS[colours[entities[cell.entity].label]]
        joined = cell.entity is not None and cell.entity == before and i > 0
        words.append(" " * gap).append(set_cell_size(cell.text, size), style=f"bold {style}" if style else "")
        tags.append(" " * gap).append(set_cell_size(cell.pos, size), style="dim")
        bars.append(("─" if joined else " ") * gap, style=style)
        bar = cell.label or ""
        bars.append(set_cell_size(bar, size).rstrip().ljust(size, "─") if style else " " * size, style=style)
        before = cell.entity
    for line in (words, tags, bars):
        line.rstrip()
        if line or line is words:
            yield line

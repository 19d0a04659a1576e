"""Shows documents in a terminal, with words over their tags and a bar under each entity; partly shared with HTML.

Neither format can be read back. Scores of words and tags are not shown, since a number under every word would distract
from the text. Control characters are shown as control pictures (U+2400 and on), so a text cannot control the terminal.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from lexel.data.files import Target, open_output
from lexel.data.omissions import Loss, Losses
from lexel.document import Document, Span
from lexel.visible import for_terminal, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

TERMINAL_FORMAT = "the terminal"
CROSSING = "entities that cross another"
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


class Part(NamedTuple):
    """A range of text that lies entirely inside or outside every word and entity."""

    start: int
    end: int
    word: int | None
    first_of_word: bool


def nested(entities: Iterable[Span]) -> list[Span]:
    """The entities in order, outer before inner, without those that cross an earlier one."""
    kept: list[Span] = []
    open_ends: list[int] = []
    for entity in sorted(entities, key=lambda span: (span.start, -span.end)):
        while open_ends and open_ends[-1] <= entity.start:
            open_ends.pop()
        if not open_ends or entity.end <= open_ends[-1]:
            kept.append(entity)
            open_ends.append(entity.end)
    return kept


def cut_into_parts(document: Document, entities: Sequence[Span]) -> Iterator[Part]:
    """The text, cut where a word or an entity begins or ends."""
    starts, ends = document.words.starts.tolist(), document.words.ends.tolist()
    cuts = {0, len(document.text), *starts, *ends}
    cuts.update(edge for entity in entities for edge in (entity.start, entity.end))
    word = 0
    for start, end in pairwise(sorted(cuts)):
        while word < len(starts) and ends[word] <= start:
            word += 1
        inside = word < len(starts) and starts[word] <= start
        yield Part(start, end, word if inside else None, inside and starts[word] == start)


class _Bar(NamedTuple):
    """An entity over a column, with its label if it begins there."""

    entity: int
    label: str = ""


class _Cell(NamedTuple):
    """The content of one column: a word over its tag, and the bars of entities under it, outer before inner."""

    text: str
    pos: str
    bars: tuple[_Bar, ...]
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
    """Write words over their tags, and a labelled bar under each entity; inner ones are below outer ones.

    Args:
        documents: Any documents; those without words show their text.
        out: ``"-"``, a path or an open text stream.
        encoding: The encoding of the output.
        colour: Whether to use colours; ``None`` uses them on a terminal, unless ``NO_COLOR`` is set.
        width: Columns to use; ``None`` takes the width of the terminal, or 80.

    Returns:
        What is left out: entities that cross another.

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
            entities = nested(document.all_entities)
            losses.add(CROSSING, len(document.all_entities) - len(entities), format=TERMINAL_FORMAT)
            for entity in entities:
                colours.setdefault(entity.label, len(colours) % len(_ANSI_COLOURS))
            output.write(_drawn(document, entities, console, colours))
    return losses.summary()


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
    """One cell per word (or per part of a word that is too wide), or one cell per run of text outside words."""
    from rich.cells import chop_cells

    text, pos = document.text, document.words.pos
    has_words = "words" in document.layers
    text = for_terminal(text)
    bars: list[_Bar] = []
    at, gap, breaks = 0, 0, False
    for part in cut_into_parts(document, entities):
        bars = [bar for bar in bars if entities[bar.entity].end > part.start]
        while at < len(entities) and entities[at].start <= part.start:
            bars.append(_Bar(at, visible(entities[at].label)))
            at += 1
        for piece, n_blanks, n_breaks in _runs(text[part.start : part.end], split=not has_words):
            if piece:
                tag = pos[part.word] if pos is not None and part.word is not None and part.first_of_word else ""
                gap = (
                    gap if not has_words else 0 if part.word is not None and not part.first_of_word else 2 if pos else 1
                )
                for shown in chop_cells(visible(piece), width):
                    yield _Cell(shown, visible(tag), tuple(bars), gap, breaks)
                    bars = [_Bar(bar.entity) for bar in bars]
                    tag, gap, breaks = "", 0, False
            gap, breaks = min(n_blanks, 1), breaks or bool(n_breaks)


def _runs(text: str, *, split: bool) -> Iterator[tuple[str, int, int]]:
    """Runs of text, with the numbers of spaces and line feeds after each."""
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
    """Cells with their widths, as many per row as fit."""
    from rich.cells import cell_len

    row: list[tuple[_Cell, int]] = []
    used = 0
    for cell in cells:
        size = min(max(map(cell_len, (cell.text, cell.pos, *(bar.label for bar in cell.bars)))), width)
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

    styles = [_ANSI_COLOURS[colours[entity.label]] for entity in entities]
    words, tags = Text(), Text()
    bars = [Text() for _ in range(max((len(cell.bars) for cell, _ in row), default=0))]
    before: list[int] = []
    for i, (cell, size) in enumerate(row):
        gap = cell.gap if i else 0
        outer = f"bold {styles[cell.bars[0].entity]}" if cell.bars else ""
        words.append(" " * gap).append(set_cell_size(cell.text, size), style=outer)
        tags.append(" " * gap).append(set_cell_size(cell.pos, size), style="dim")
        for line, bar in zip_longest(bars, cell.bars):
            if bar is None:
                line.append(" " * (gap + size))
                continue
            style = styles[bar.entity]
            line.append(("─" if i and bar.entity in before else " ") * gap, style=style)
            line.append(set_cell_size(bar.label, size).rstrip().ljust(size, "─"), style=style)
        before = [bar.entity for bar in cell.bars]
    for line in (words, tags, *bars):
        line.rstrip()
        if line or line is words:
            yield line

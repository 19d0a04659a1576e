"""Reads and writes fastText's lines: classes before a text, each with the prefix ``__label__``.

    __label__sauce __label__cheese How much does potato starch affect a cheese sauce recipe?

fastText reads any such word of a line as a class, so those after or inside a text are classes too. See
https://fasttext.cc/docs/en/supervised-tutorial.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, open_output
from lexel.data.omissions import NESTED, Loss, Losses, n_scores
from lexel.document import Document

FORMAT = "fastText lines"
PREFIX = "__label__"
_AHEAD = re.compile(rf"(?:{PREFIX}[^ \t]+(?:[ \t]|$))+")
_INSIDE = re.compile(rf"(?:^|(?<=[ \t])){PREFIX}([^ \t]+)[ \t]?|[ \t]+{PREFIX}([^ \t]+)$")
_LABEL = re.compile(rf"{PREFIX}([^ \t]+)")


def classes_of_line(line: str) -> tuple[str, tuple[str, ...]]:
    """The text of a line, and its classes."""
    ahead = _AHEAD.match(line)
    labels = _LABEL.findall(ahead[0]) if ahead else []
    text = line[ahead.end() :] if ahead else line
    if PREFIX in text:
        labels += [first or last for first, last in _INSIDE.findall(text)]
        text = _INSIDE.sub("", text)
    return text, tuple(labels)


def line_of_classes(text: str, labels: Sequence[str], output: TextOutput) -> str:
    """The line of a text with its classes.

    Raises:
        DataError: If fastText would read the text or a class differently.
    """
    if "\n" in text or text.endswith("\r") or re.search(rf"(?:^|[ \t]){PREFIX}[^ \t]", text):
        raise output.error(
            f"the text has a line end or a word that begins with {PREFIX}; expected neither; write JSON lines"
        )
    for label in labels:
        if not label or re.search(r"[ \t\r\n]", label):
            raise output.error(f"class {label!r} is empty or has a space; expected one word; write JSON lines")
    return "".join(f"{PREFIX}{label} " for label in labels) + text + "\n"


def is_fasttext(first_line: str) -> bool:
    """Whether a file's first line has a class in fastText's form."""
    return first_line.startswith(PREFIX)


def read_fasttext(
    source: Source, /, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    """Reads each line's text as a Document, which holds no classes; `read_classified` reads the classes.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts the classes.
        faults: Accepted so that all formats have the same signature; every line is a text.

    Raises:
        DataError: With ``path:line`` of a byte that is not in the encoding.
    """
    losses = Losses() if losses is None else losses
    for line in LineReader(source, encoding=encoding):
        text, labels = classes_of_line(line)
        losses.add("classes", len(labels), format="documents")
        yield Document(text)


def write_fasttext(documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8") -> tuple[Loss, ...]:
    """Write each document's text as a line without classes.

    Returns:
        The layers that the lines cannot hold, with their sizes.

    Raises:
        DataError: If a text has a line end, or a word that would be a class.
    """
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            output.write(line_of_classes(document.text, (), output))
            losses.add("words", len(document.words), format=FORMAT)
            losses.add("entities", len(document.entities), format=FORMAT)
            losses.add(NESTED, len(document.nested), format=FORMAT)
            losses.add("scores", n_scores(document), format=FORMAT)
    return losses.summary()

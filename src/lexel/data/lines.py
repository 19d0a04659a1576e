"""Plain text with one document per line: input line n is output record n, and an empty line is an empty document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, open_output
from lexel.data.omissions import NESTED, Loss, Losses
from lexel.document import Document

FORMAT = "plain text"


def read_lines(
    source: Source, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    r"""Reads each line as a Document without layers, in order and never stripped.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Accepted so that all formats have the same signature; plain text loses nothing.
        faults: Accepted for the same reason; every line is a text.

    Raises:
        DataError: With ``path:line`` of a byte that is not in the encoding.
    """
    return map(Document, LineReader(source, encoding=encoding))


def write_lines(documents: Iterable[Document], out: Target, *, encoding: str = "utf-8") -> tuple[Loss, ...]:
    """Write each document's text as one line.

    Returns:
        The layers that plain text cannot hold, with their sizes.

    Raises:
        DataError: If a text contains a line end, which would split its record in two.
    """
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            text = document.text
            if "\n" in text or text.endswith("\r"):
                at = text.find("\n") if "\n" in text else len(text) - 1
                raise output.error(
                    f"the text has a line end at char {at}; expected one line per document; write JSON lines instead"
                )
            output.write(text + "\n")
            losses.add("words", len(document.words), format=FORMAT)
            losses.add("entities", len(document.entities), format=FORMAT)
            losses.add(NESTED, len(document.nested), format=FORMAT)
    return losses.summary()

"""Plain text, one document a line: line n in is record n out, and an empty line is an empty document."""

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
    r"""Each line as a Document without layers, in order and never stripped.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: How bytes are decoded.
        losses: Accepted so that all formats have the same call; plain text has nothing to lose.
        faults: Accepted for the same reason; every line is a text.

    Raises:
        DataError: ``path:line`` of a byte that is not in the encoding.
    """
    return map(Document, LineReader(source, encoding=encoding))


def write_lines(documents: Iterable[Document], out: Target, *, encoding: str = "utf-8") -> tuple[Loss, ...]:
    """Write each document's text as one line.

    Returns:
        The layers that plain text does not hold, with their sizes.

    Raises:
        DataError: If a text holds a line end, which would make two records of one.
    """
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            text = document.text
            if "\n" in text or text.endswith("\r"):
                at = text.find("\n") if "\n" in text else len(text) - 1
                raise output.error(
                    f"the text has a line end at char {at}; expected one line a document; write JSON lines instead"
                )
            output.write(text + "\n")
            losses.add("words", len(document.words), format=FORMAT)
            losses.add("entities", len(document.entities), format=FORMAT)
            losses.add(NESTED, len(document.nested), format=FORMAT)
    return losses.summary()

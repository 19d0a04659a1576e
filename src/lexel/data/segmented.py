"""Text with words separated by spaces, one document per line: the format of the SIGHAN bakeoffs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, open_output
from lexel.data.omissions import NESTED, Loss, Losses, n_scores
from lexel.data.words import words_joined, words_must_tile
from lexel.document import Document

FORMAT = "segmented text"


def read_segmented(
    source: Source,
    *,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
    joiner: str = "",
) -> Iterator[Document]:
    """Reads each line as a Document with words.

    Any run of whitespace (a space, two spaces, U+3000) ends a word and is not part of the text, because the format does
    not distinguish spaces of the text from those of the annotation.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Accepted so that all formats have the same signature.
        faults: Accepted for the same reason; every line is a text.
        joiner: The text between two words of the Document: nothing for Chinese, a space for English.

    Raises:
        DataError: With ``path:line`` of a byte that is not in the encoding.
    """
    for line in LineReader(source, encoding=encoding):
        yield words_joined(line.split(), joiner=joiner)


def write_segmented(documents: Iterable[Document], out: Target, *, encoding: str = "utf-8") -> tuple[Loss, ...]:
    """Write each document's words as one line, separated by spaces.

    Returns:
        What segmented text cannot hold: whitespace of the text, tags, entities, scores.

    Raises:
        DataError: If a document has no words, a word contains whitespace (possible with a lexicon), or characters are
            outside all words.
    """
    losses = Losses()
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            words_must_tile(document, output)
            texts = document.words.texts
            line = " ".join(texts)
            if len(line.split()) != len(texts):
                word = next(text for text in texts if len(text.split()) != 1)
                raise output.error(
                    f"word {word!r} holds whitespace; segmented text cannot; write CoNLL-U or JSON lines"
                )
            output.write(line + "\n")
            _count_losses(document, losses)
    return losses.summary()


def _count_losses(document: Document, losses: Losses) -> None:
    words = document.words
    blanks = len(document.text) - int(np.sum(words.ends - words.starts))
    losses.add("whitespace characters of the text", blanks, format=FORMAT)
    losses.add("tags", 0 if words.pos_ids is None else len(words), format=FORMAT)
    losses.add("entities", len(document.entities), format=FORMAT)
    losses.add(NESTED, len(document.nested), format=FORMAT)
    losses.add("scores", n_scores(document), format=FORMAT)

"""Shared by formats of words: joins words to a text, and checks that words cover the whole text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

import numpy as np

from lexel.data.files import TextOutput
from lexel.document import Document, Spans, Words

# Scripts without spaces between words: Thai to Tibetan, Burmese, Khmer, Han and its punctuation, kana, full width.
_UNSPACED = re.compile(
    r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\U00020000-\U0003ffff]"
)


def blank_between(left: str, right: str) -> str:
    """The space between two words of a text, as far as the words tell.

    Empty if either side is in a script written without spaces, otherwise one space.
    """
    return "" if _UNSPACED.match(left[-1:]) or _UNSPACED.match(right[:1]) else " "


def words_joined(
    texts: Sequence[str],
    *,
    joiner: str | None,
    between: Callable[[str, str], str] = blank_between,
    pos: Sequence[str] | None = None,
    entities: Iterable[tuple[int, int, str]] | None = None,
    id: str | None = None,
) -> Document:
    """A Document from words whose text is unknown.

    Args:
        texts: The words, none of them empty.
        joiner: The text between two words; ``None`` calls ``between``.
        between: Gives the text between a word and the next; by default, their scripts decide.
        pos: One tag per word.
        entities: ``(first word, end word, label)``.
        id: The record's id.
    """
    gaps = [between(*pair) if joiner is None else joiner for pair in pairwise(texts)]
    parts = [part for pair in zip(texts, [*gaps, ""], strict=True) for part in pair] if texts else []
    ends = list(accumulate(map(len, parts)))
    spans = [(end - len(text), end) for text, end in zip(texts, ends[::2], strict=True)]
    return document_of("".join(parts), spans, pos=pos, entities=entities, id=id)


def document_of(
    text: str,
    spans: Sequence[tuple[int, int]],
    *,
    pos: Sequence[str] | None = None,
    entities: Iterable[tuple[int, int, str]] | None = None,
    id: str | None = None,
) -> Document:
    """A Document from word offsets, with entities as ranges of words."""
    found = None
    if entities is not None:
        found = Spans.of(text, [(spans[first][0], spans[end - 1][1], label) for first, end, label in entities])
    return Document(text, Words.of(text, spans, pos), found, id=id)


def align_words(texts: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    """The offsets of words in a text with only whitespace between them; ``None`` if the words do not match."""
    spans: list[tuple[int, int]] = []
    at = 0
    for word in texts:
        while not text.startswith(word, at):
            if not text[at : at + 1].isspace():
                return None
            at += 1
        spans.append((at, at + len(word)))
        at += len(word)
    return None if text[at:].strip() else spans


def words_must_tile(document: Document, output: TextOutput) -> None:
    """Check that a format of words would hold every non-whitespace character.

    Raises:
        DataError: At the output's line, if a text has no words, or has characters outside words.
    """
    if "words" not in document.layers and document.text.strip():
        raise output.error(
            f"{_named(document)} has no words; expected words; run it through a model that segments first"
        )
    words, text = document.words, document.text
    if int(np.sum(words.ends - words.starts)) == len(text):
        return
    starts, ends = words.starts.tolist(), words.ends.tolist()
    for end, start in zip([0, *ends], [*starts, len(text)], strict=True):
        if text[end:start].strip():
            raise output.error(
                f"{_named(document)} has {text[end:start].strip()[:20]!r} at chars {end} to {start} in no word; "
                "expected words that hold all but whitespace; write JSON lines, which keep the text as it is"
            )


def _named(document: Document) -> str:
    return "the document" if document.id is None else f"document {document.id!r}"

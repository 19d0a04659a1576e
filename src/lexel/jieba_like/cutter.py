"""Splits text into words like jieba: every character is in a word, and a user's words are kept whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from lexel.decoding.lexicon import Lexicon
from lexel.document import Document
from lexel.errors import DataError, OptionError
from lexel.jieba_like.counts import word_counts
from lexel.tasks.tag import Tagger

FLAGS: dict[str, str] = {
    "ADJ": "a",
    "ADP": "p",
    "ADV": "d",
    "AUX": "v",
    "CCONJ": "c",
    "DET": "r",
    "INTJ": "e",
    "NOUN": "n",
    "NUM": "m",
    "PART": "u",
    "PRON": "r",
    "PROPN": "nz",
    "PUNCT": "x",
    "SCONJ": "c",
    "SYM": "x",
    "VERB": "v",
    "X": "x",
}
"""jieba's flag for each universal tag; other tags are unchanged."""

NAME_FLAGS: dict[str, str] = {"PER": "nr", "PERSON": "nr", "LOC": "ns", "GPE": "ns", "FAC": "ns", "ORG": "nt"}
"""jieba's flag of a proper noun in an entity, by the entity's label."""

_BETWEEN = re.compile(r"\r\n|\s|\S+")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_USER_LINE = re.compile(r"(?P<word>.+?)(?:\s+(?P<freq>\d+))?(?:\s+(?P<tag>[a-z]+))?")


class pair(NamedTuple):  # noqa: N801 (jieba's name)
    """A word and its flag."""

    word: str
    flag: str

    def __str__(self) -> str:
        return f"{self.word}/{self.flag}"


class Cutter:
    """Splits text into words, with its own user words; ``jieba.Tokenizer``.

    Args:
        tagger: Finds the words. Default: the bundled model, loaded on the first text.
    """

    def __init__(self, tagger: Tagger | None = None) -> None:
        self._tagger = tagger
        self._tags: dict[str, str | None] = {}
        self._lexicon: Lexicon | None = None

    def initialize(self, dictionary: None = None) -> None:
        """Load the model now instead of on the first text.

        Raises:
            OptionError: If a dictionary is given, since the words come from the model.
        """
        if dictionary is not None:
            raise OptionError(f"dictionary is {dictionary!r}; the words come from a model. Use load_userdict for more")
        if self._tagger is None:
            self._tagger = Tagger.load()

    def use(self, tagger: Tagger) -> None:
        """Use another tagger from now on."""
        self._tagger = tagger

    def cut(self, sentence: str, cut_all: bool = False, HMM: bool = True, use_paddle: bool = False) -> Iterator[str]:  # noqa: N803
        """The words of a text, in order.

        Args:
            sentence: The text.
            cut_all: Also return all words inside words that are in the counts or the user's words.
            HMM: Has no effect.
            use_paddle: Has no effect.
        """
        for text, start, end in self._stretches(self._read(sentence)):
            if cut_all:
                yield from (text[a:b] for a, b in self._inside(text, start, end, range(2, end - start)))
            yield text[start:end]

    def lcut(self, sentence: str, cut_all: bool = False, HMM: bool = True, use_paddle: bool = False) -> list[str]:  # noqa: N803
        """``cut`` as a list."""
        return list(self.cut(sentence, cut_all))

    def cut_for_search(self, sentence: str, HMM: bool = True) -> Iterator[str]:  # noqa: N803
        """The words of a text, each preceded by the known words of two and three characters inside it."""
        return (word for word, _, _ in self.tokenize(sentence, mode="search"))

    def lcut_for_search(self, sentence: str, HMM: bool = True) -> list[str]:  # noqa: N803
        """``cut_for_search`` as a list."""
        return list(self.cut_for_search(sentence))

    def tokenize(
        self,
        unicode_sentence: str,
        mode: str = "default",
        HMM: bool = True,  # noqa: N803
    ) -> Iterator[tuple[str, int, int]]:
        """``(word, start, end)`` of each word.

        Args:
            unicode_sentence: The text.
            mode: ``default`` or ``search``; see ``cut_for_search``.
            HMM: Has no effect.
        """
        if mode not in ("default", "search"):
            raise OptionError(f"mode is {mode!r}; expected 'default' or 'search'")
        for text, start, end in self._stretches(self._read(unicode_sentence)):
            if mode == "search":
                sizes = range(2, min(4, end - start))
                yield from ((text[a:b], a, b) for a, b in self._inside(text, start, end, sizes))
            yield text[start:end], start, end

    def flagged(self, sentence: str) -> Iterator[pair]:
        """Each word with its flag; see ``posseg.cut``."""
        document = self._read(sentence)
        names = {
            place: NAME_FLAGS[span.label]
            for span in document.entities
            if span.label in NAME_FLAGS
            for place in range(span.start, span.end)
        }
        tags = {word.start: word.pos for word in document.words}
        for text, start, end in self._stretches(document):
            yield pair(text[start:end], self._flag(text[start:end], tags.get(start), names.get(start)))

    def add_word(self, word: str, freq: int | None = None, tag: str | None = None) -> None:
        """Keep a word whole from now on.

        Args:
            word: The word.
            freq: Has no effect: a user's word always wins.
            tag: Its flag in ``posseg``.
        """
        if not word.strip():
            raise DataError(f"word is {word!r}; expected characters")
        self._tags[word] = tag
        self._lexicon = None

    def del_word(self, word: str) -> None:
        """Stop keeping a word whole."""
        self._tags.pop(word, None)
        self._lexicon = None

    def suggest_freq(self, segment: str | tuple[str, ...], tune: bool = False) -> int:
        """Keep a word whole, if ``tune`` is true; returns the number of paragraphs in which it was counted.

        Raises:
            OptionError: If several words are given: jieba would join or split them by their frequency.
        """
        if not isinstance(segment, str):
            raise OptionError(f"segment is {segment!r}; expected one word. Add the words themselves with add_word")
        if tune:
            self.add_word(segment)
        return word_counts().of.get(segment, 0)

    def load_userdict(self, f: str | Path | IO[Any]) -> None:
        """Keep the words of a UTF-8 file whole, with ``word [frequency] [flag]`` per line.

        Raises:
            DataError: If the file is not UTF-8.
        """
        data = Path(f).read_bytes() if isinstance(f, str | Path) else f.read()
        name = str(f) if isinstance(f, str | Path) else getattr(f, "name", "<stream>")
        try:
            text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: not UTF-8 ({error.reason} at byte {error.start}); convert the file") from error
        for line in filter(None, map(str.strip, text.splitlines())):
            found = _USER_LINE.fullmatch(line)
            assert found is not None
            self.add_word(found["word"], None, found["tag"])

    def _read(self, sentence: str) -> Document:
        self.initialize()
        assert self._tagger is not None
        if not self._tags:
            return self._tagger(sentence)
        if self._lexicon is None:
            self._lexicon = Lexicon(self._tags)
        return self._tagger(sentence, lexicon=self._lexicon)

    @staticmethod
    def _stretches(document: Document) -> Iterator[tuple[str, int, int]]:
        """The text with the start and end of each word, and of each range between words."""
        text, at = document.text, 0
        for start, end in zip(document.words.starts.tolist(), document.words.ends.tolist(), strict=True):
            yield from ((text, *found.span()) for found in _BETWEEN.finditer(text, at, start))
            yield text, start, end
            at = end
        yield from ((text, *found.span()) for found in _BETWEEN.finditer(text, at))

    def _inside(self, text: str, start: int, end: int, sizes: range) -> Iterator[tuple[int, int]]:
        """Known words inside a word, shorter ones first."""
        counts = word_counts().of
        for size in sizes:
            for a in range(start, end - size + 1):
                if (part := text[a : a + size]) in counts or part in self._tags:
                    yield a, a + size

    def _flag(self, word: str, tag: str | None, name: str | None) -> str:
        if own := self._tags.get(word):
            return own
        if tag is None or word.isspace():
            return "x"
        if _LATIN.fullmatch(word):
            return "eng"
        return name if name is not None and tag == "PROPN" else FLAGS.get(tag, tag)


dt: Cutter = Cutter()
"""The instance that the module's functions use."""

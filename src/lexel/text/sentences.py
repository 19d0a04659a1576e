"""Finds sentences by rule: at terminators with closing marks after them, and at line ends.

The rules, for all scripts:

- A line end always ends a sentence.
- A wide terminator (``。！？｡।۔؟።`` ...) ends one, together with the neighbouring terminators and the quotes and
  brackets that close directly after it, but not before a comma, and not for an exclamation inside brackets.
- ``!`` and ``?`` end one before white space, and between characters of scripts without spaces (``好!我``); after a
  closing quote, only if no lower-case letter follows (``"Stop!" he said``).
- ``.`` ends one in the same places, unless a lower-case letter follows, or it belongs to an abbreviation, an initial, a
  list number or an ordinal. In numbers, addresses and names (``3.14``, ``a.b/c?d=1``), no white space follows.
- An ellipsis (``……``, ``...``) ends one before white space without a lower-case letter after it, after a closing quote,
  and before an opening one; otherwise it is a pause (``我……我不知道``).

Abbreviations that may end a sentence (``Inc.``, ``U.S.``, initials) do so only before a word that usually begins one.
In doubt, a sentence is not split. The result leaves out only white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lexel.document import Spans
from lexel.text.abbreviations import (
    AFTER_ORDINALS,
    BEFORE_NUMBERS,
    BEGINNERS,
    CONNECTIVES,
    EXCLAIMED_NAMES,
    MAYBE_LAST,
    TITLES,
)

_LINE_END = r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]"
_STOPS = "。｡．।॥۔։።។။༎᠃᠉꓿꘎︒﹒"
_WIDE = _STOPS + "！？؟՜՞፧፨⁇⁈⁉‼⁉﹖﹗\u037e"
_PAUSES = "…⋯"
_CLOSING_QUOTES = "」』”’»›｣﹂﹄〞〟"
_CLOSING_BRACKETS = "）)】》〉〗〕］]｝}"
_OPENING_QUOTES = "「『“‘«‹｢﹁﹃〝《"
_OPENING_BRACKETS = "（(【〈〖〔［[｛{"
_COMMAS = "，、；：,;:、،؛"

_ENDS = re.escape(_WIDE + _PAUSES + ".!?")
_CLOSES = rf"[{re.escape(_CLOSING_QUOTES + _CLOSING_BRACKETS)}]|\[\d+\]|[\"'“](?=\s|$)"
_CANDIDATE = re.compile(rf"(?P<line>{_LINE_END})|(?P<run>[{_ENDS}]+)(?:{_CLOSES}|[{_ENDS}])*")
_WORD_BEFORE = re.compile(r"[^\s()\[\]{}\"'“”‘’«»,;:/—–]+\Z")
_WORD_AFTER = re.compile(r"\s*[\"'“‘«(\[]*(\w+(?:['’]\w+)?)")
_DOTTED_LETTERS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]\Z")
_LONGEST_WORD = 40


class _Stop(NamedTuple):
    """A run of terminators with the closing marks after it, in a sentence that began at ``begin``."""

    text: str
    begin: int
    start: int
    run: str
    end: int

    @property
    def before(self) -> str:
        return self.text[self.start - 1 : self.start]

    @property
    def after(self) -> str:
        return self.text[self.end : self.end + 1]

    @property
    def closers(self) -> str:
        return self.text[self.start + len(self.run) : self.end]

    @property
    def following(self) -> str:
        """The first character after white space; empty if there is much white space, or nothing after it."""
        return self.text[self.end : self.end + 64].lstrip()[:1]

    @property
    def word(self) -> str:
        """The word before the run, including its inner dots."""
        found = _WORD_BEFORE.search(self.text[max(self.begin, self.start - _LONGEST_WORD) : self.start])
        return found[0] if found else ""

    @property
    def is_quoted(self) -> bool:
        return any(char in _CLOSING_QUOTES or char in "\"'“" for char in self.closers)


def split_sentences(text: str) -> Spans:
    """The sentences of a text, without white space at their ends; every other character is in exactly one."""
    pairs = [pair for start, end in _stretches(text) if (pair := _trim(text, start, end))]
    starts, ends = zip(*pairs, strict=True) if pairs else ((), ())
    return Spans(text, starts, ends, label_ids=np.zeros(len(pairs), np.int32), labels=("sentence",))


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    """Ranges that cover the text, each a sentence or only white space."""
    begin = position = 0
    straight_quotes = 0
    while found := _CANDIDATE.search(text, position):
        straight_quotes += text.count('"', position, found.end())
        position = found.end()
        if found["line"] is None:
            if straight_quotes % 2 and text.startswith('"', position):  # closes a mark that this sentence opened
                straight_quotes += 1
                position += 1
            if not _ends_sentence(_Stop(text, begin, found.start(), found["run"], position)):
                continue
        yield begin, position
        begin, straight_quotes = position, 0
    yield begin, len(text)


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The range without white space at its ends; ``None`` if nothing is left."""
    stretch = text[start:end]
    length = len(stretch.strip())
    start += len(stretch) - len(stretch.lstrip())
    return (start, start + length) if length else None


def _ends_sentence(stop: _Stop) -> bool:
    """The rule for a run of terminators."""
    if stop.after and stop.after in _COMMAS:
        return False
    if all(char in _PAUSES or char == "." for char in stop.run) and stop.run != ".":
        return _pause_ends(stop)
    if any(char in _WIDE for char in stop.run):
        return _wide_ends(stop)
    if stop.after and not stop.after.isspace():
        return _narrow_ends_unspaced(stop)
    if stop.run == ".":
        return not stop.following.islower() and _full_stop_ends(stop)
    return not (stop.following.islower() and (stop.closers or stop.word.lower() in EXCLAIMED_NAMES))


def _pause_ends(stop: _Stop) -> bool:
    if not stop.after or stop.after.isspace():
        return not stop.following.islower()
    return stop.is_quoted or stop.after in _OPENING_QUOTES


def _wide_ends(stop: _Stop) -> bool:
    if stop.run == "．" and stop.before.isdigit() and stop.after.isdigit():
        return False
    bracketed = bool(stop.closers) and not stop.is_quoted
    whole = stop.text[stop.begin : stop.start].lstrip()[:1] in _OPENING_BRACKETS if bracketed else True
    return whole or any(char in _STOPS for char in stop.run + stop.closers)


def _narrow_ends_unspaced(stop: _Stop) -> bool:
    """Whether a narrow terminator ends a sentence without white space after it."""
    if stop.run[0] == "." and not _is_spaceless(stop.before):
        return False
    return _is_spaceless(stop.after) or (_is_spaceless(stop.before) and stop.after in _OPENING_QUOTES)


def _full_stop_ends(stop: _Stop) -> bool:
    """Whether a full stop before white space ends a sentence, by the words around it."""
    word, small = stop.word, stop.word.lower()
    found = _WORD_AFTER.match(stop.text, stop.end)
    following = found[1].lower() if found else ""
    if _is_thai_or_lao(word[-1:]):  # these scripts have no full stops; a dot is an abbreviation
        return False
    if small in CONNECTIVES or (small in TITLES and (word[0].isupper() or word[0] > "\u02ff")):
        return False
    if small in BEFORE_NUMBERS and following[:1].isdigit():
        return False
    if word.isdigit() and (_begins_with(stop, word) or following in AFTER_ORDINALS):
        return False
    if small in MAYBE_LAST or _DOTTED_LETTERS.match(word) or _is_initial(word):
        return following in BEGINNERS
    return True


def _begins_with(stop: _Stop, word: str) -> bool:
    """Whether the sentence is only one word so far: a list number."""
    return stop.start - stop.begin <= _LONGEST_WORD and stop.text[stop.begin : stop.start].strip() == word


def _is_initial(word: str) -> bool:
    return len(word) == 1 and word.isalpha() and not _is_spaceless(word) and not "\uac00" <= word <= "\ud7a3"


def _is_thai_or_lao(char: str) -> bool:
    return "\u0e00" <= char <= "\u0eff"


def _is_spaceless(char: str) -> bool:
    """Whether a character is Han, kana or of related scripts and punctuation."""
    return "\u2e80" <= char <= "\ua4cf" or "\uf900" <= char <= "\ufaff" or "\U00020000" <= char <= "\U0003ffff"

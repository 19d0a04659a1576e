"""The escapes of WebAnno TSV: a backslash before special characters, in texts and in annotation values."""

from __future__ import annotations

import re

_ESCAPED_VALUE = re.compile(r"\\(->|.)", re.DOTALL)
_VALUE_SIGNS = re.compile(r"->|[\\\[\]|_;\t\n*]")
_ESCAPED_TEXT = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_TEXT_SIGNS = re.compile(r"[\x00-\x0a\x0c-\x1f\\]")
_SPELLED = {"\t": "t", "\n": "n", "\f": "f", "\r": "r", "\b": "b"}
_SPELLING = {letter: char for char, letter in _SPELLED.items()}


def plain_text(text: str, version: str) -> str:
    """A text without escapes; version 3.1 and earlier use those of Java."""

    def unescaped(match: re.Match[str]) -> str:
        sign = match[1]
        if len(sign) > 1:
            return chr(int(sign[1:], 16)) if version in ("3.0", "3.1") else sign
        return _SPELLING.get(sign, sign)

    if "\\" not in text:
        return text
    plain = _ESCAPED_TEXT.sub(unescaped, text)  # Java escapes a character beyond U+FFFF as two surrogates
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def escaped_text(text: str) -> str:
    """A text with its control characters and backslashes escaped."""
    return _TEXT_SIGNS.sub(lambda match: "\\" + _SPELLED.get(match[0], match[0]), text)


def escaped_value(value: str) -> str:
    """A value with the special characters of the format escaped."""
    return _VALUE_SIGNS.sub(lambda match: "\\" + _SPELLED.get(match[0], match[0]), value)


def plain_value(value: str) -> str:
    """A value without escapes."""
    return _ESCAPED_VALUE.sub(lambda escaped: _SPELLING.get(escaped[1], escaped[1]), value)

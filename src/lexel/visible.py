"""Text made safe to print: control characters become visible, so that no text can control a terminal."""

from __future__ import annotations

import re

_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0x7F: 0x2421}
_PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
"""Characters that change the direction of the following text, which on a terminal is the rest of the line."""
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
_FOR_TERMINAL = _PICTURES | _DIRECTIONS | _SURROGATES
_HARMLESS = re.compile("[^\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]*")
_STYLE = re.compile("(\x1b\\[[0-9;]*m)")


def visible(text: str) -> str:
    """The text with control characters, except tab and line feed, as pictures (from U+2400)."""
    return text.translate(_PICTURES)


def for_terminal(text: str) -> str:
    """The same, with direction changes and lone surrogates also replaced, by U+FFFD."""
    return text if _HARMLESS.fullmatch(text) else text.translate(_FOR_TERMINAL)


def for_terminal_in_style(text: str) -> str:
    """The same, but escapes that set a style are kept."""
    if _HARMLESS.fullmatch(text):
        return text
    return "".join(part if i % 2 else for_terminal(part) for i, part in enumerate(_STYLE.split(text)))


def one_line(text: str, *, limit: int = 500) -> str:
    """A message as one line without control characters, cut in its middle if it is long.

    Args:
        text: The message.
        limit: Most characters.
    """
    if len(text) > 20 * limit:  # most of it is cut out anyway
        text = text[: 10 * limit] + text[-10 * limit :]
    line = for_terminal(re.sub(r"\s*[\r\n]+\s*", " ", text.strip()).replace("\t", " "))
    if len(line) <= limit:
        return line
    end = limit // 4
    return f"{line[: limit - end - 5]} ... {line[len(line) - end :]}"

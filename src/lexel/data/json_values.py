"""Reads JSON values from a stream, one at a time: JSON lines, or one array of any size."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from lexel.data.faults import Faults
from lexel.data.files import LineReader
from lexel.errors import DataError

_SIGNS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},"]', re.DOTALL)
"""Matches complete strings, signs outside strings, and the opening quote of an incomplete string."""


class Value(NamedTuple):
    """A JSON value.

    Attributes:
        place: Its line, or its number in an array, from 1.
        value: The value.
    """

    place: int
    value: Any


def read_json_values(lines: LineReader, faults: Faults) -> Iterator[Value]:
    """The values of JSON lines, without blank lines; or the elements of the array at the start of the source.

    Raises:
        DataError: For a line or an element that is not JSON, unless it is skipped, and for an array without an end.
    """
    if lines.first_sign() == "[":
        yield from _elements(lines, lines.text_blocks(), faults)
    else:
        yield from read_json_lines(lines, faults)


def read_json_lines(lines: LineReader, faults: Faults) -> Iterator[Value]:
    """The values of JSON lines, without blank lines.

    Raises:
        DataError: For a line that is not JSON, unless it is skipped.
    """
    for line in lines:
        if not line or line.isspace():
            faults.n_blank += 1
            continue
        try:
            value = _parsed(line)
        except ValueError as error:
            faults.take(lines.error(f"{error}; expected one object per line, or one array of objects"))
        else:
            yield Value(lines.number, value)


def read_elements(lines: LineReader, faults: Faults) -> Iterator[Value]:
    """Some elements of an array, with the commas between them.

    Raises:
        DataError: For an element that is not JSON, unless it is skipped.
    """
    return _elements(lines, chain("[", lines.text_blocks(), "]"), faults)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # a number with thousands of digits, or thousands of nested brackets
        found = "brackets nested too deep" if isinstance(error, RecursionError) else "a number of thousands of digits"
        raise ValueError(f"not a record ({found})") from error


def _elements(lines: LineReader, blocks: Iterable[str], faults: Faults) -> Iterator[Value]:
    """The elements of an array; only the text of one element is in memory at a time."""
    number = lines.number
    for text in element_texts(blocks, lines.name):
        if text.isspace() or not text:
            continue
        number += 1
        try:
            value = _parsed(text)
        except ValueError as error:
            fault = DataError(f"{lines.name}:{number}: {error}; expected an array of objects")
            fault.at(lines.name, number, text.strip())
            faults.take(fault)
        else:
            yield Value(number, value)


def element_texts(blocks: Iterable[str], name: str) -> Iterator[str]:
    """The texts between the commas of an array; each is followed by a comma, the last by the bracket.

    Raises:
        DataError: Naming the file, if the array has no end.
    """
    text, at, begun, depth = "", 0, 0, 0
    for block in blocks:
        text += block
        while (found := _SIGNS.search(text, at)) is not None:
            sign = found[0]
            if sign == '"':  # the string continues in the next block
                at = found.start()
                break
            at = found.end()
            if sign in "[{":
                depth += 1
                if depth == 1:
                    begun = at
            elif sign in "]}":
                depth -= 1
                if depth == 0:
                    yield text[begun : at - 1]
                    if rest := text[at:].strip():
                        raise DataError(f"{name}: {rest[:20]!r} after the array; expected the end of the file")
                    return
            elif sign == "," and depth == 1:
                yield text[begun : at - 1]
                begun = at
        else:
            at = len(text)
        text, at, begun = text[begun:], at - begun, 0
    raise DataError(f"{name}: ends inside its array; expected ']'. Download the file again")

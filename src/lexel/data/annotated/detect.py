"""Detects the corpus format of a file of rows from its first lines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from lexel.data.annotated.webanno import HEADER
from lexel.data.files import LineReader
from lexel.errors import DataError

_LOOKED_AT = 200
_TAG = re.compile(r"O|[BI]-\S+")
_ELEMENT = re.compile(r'<DOC DOCNO="|.*<(?:ENAMEX|TIMEX|NUMEX) TYPE="')


def format_by_content(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> str | None:
    """The name of the format, or ``None`` if the lines match none.

    Only UNER's and GermEval's rows are numbered from 1 in every sentence.
    """
    with suppress(DataError):  # the reader of the file reports what is wrong with it
        lines = list(islice(LineReader(path, encoding=encoding), _LOOKED_AT))
        first = next((line for line in lines if line.strip()), "")
        if first.startswith(HEADER):
            return "webanno"
        if first.startswith("#begin document ("):
            return "conll2012"
        if _ELEMENT.match(first):
            return "ontonotes"
        return _numbered_rows(lines)
    return None


def _numbered_rows(lines: Sequence[str]) -> str | None:
    """The format of rows with a number, a word and one or two tags."""
    rows: list[list[str]] = []
    due = 1
    for line in lines:
        if not line.strip() or line.startswith("#"):
            due = 1
            continue
        cells = line.split("\t")
        if "-" in cells[0] or "." in cells[0]:  # a multiword token
            continue
        if cells[0] != str(due) or len(cells) < 3 or not _TAG.fullmatch(cells[2]):
            return None
        rows.append(cells)
        due += 1
    if len(rows) < 2:
        return None
    is_pair = all(len(cells) == 4 and _TAG.fullmatch(cells[3]) for cells in rows)
    if is_pair:
        return "germeval"
    return "uner" if all(len(cells) in (3, 5) for cells in rows) else None

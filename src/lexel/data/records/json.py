"""JSON: one object per line, or one array of objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from lexel.data.files import LineReader, Source, Target, open_output
from lexel.data.json_values import read_elements, read_json_lines, read_json_values
from lexel.data.records.rows import Row, RowOptions

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def read_json_rows(source: Source, options: RowOptions, /) -> Iterator[Row]:
    """Reads each object as a row; blank lines are skipped."""
    lines = LineReader(source, encoding=options.encoding, first=options.first)
    if options.part is None or not options.part.start:
        values = read_json_values(lines, options.faults)
    elif options.header == "[":
        values = read_elements(lines, options.faults)
    else:
        values = read_json_lines(lines, options.faults)
    return (Row(place, value) for place, value in values)


def write_json_rows(rows: Iterable[Mapping[str, Any]], out: Target, /) -> None:
    """Write each row as an object on a line.

    Raises:
        DataError: If a row has a value that JSON cannot hold.
    """
    with open_output(out) as output:
        for row in rows:
            try:
                output.write(json_row(row))
            except (TypeError, ValueError) as error:
                raise output.error(f"{error}; JSON cannot hold it; leave the column out (--keep)") from error


def json_row(row: Mapping[str, Any]) -> str:
    """A row as a line of JSON: times in ISO 8601, NaN as ``null``, a lone surrogate as an escape.

    Raises:
        TypeError: If it has a value that JSON cannot hold.
    """
    try:
        line = _dump(row)
        line.encode()
    except UnicodeEncodeError as error:
        if _SURROGATE_PAIR.search(line):
            raise TypeError("a high surrogate right before a low one, which JSON reads as one character") from error
        line = json.dumps(row, default=_plain)
    except ValueError:
        line = _dump(_without_nan(row))
    return line + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    return [_without_nan(one) for one in value] if isinstance(value, list | tuple) else value


_dump = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False, default=_plain
).encode

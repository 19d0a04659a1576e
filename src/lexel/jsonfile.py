"""Reads the JSON files of a model folder: regular files of bounded size; errors name the file and the line.

A folder may be untrusted, so the length of the text and the number and depth of its objects and arrays are checked
before anything is built in memory. The limits are far above what published models need; the largest tokenizer.json in
use (900,000 pieces) has 40 MB and 1.8 million values.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from lexel.disk import open_regular, refused
from lexel.errors import CheckpointError

LARGEST_BYTES = 64 << 20
MOST_VALUES = 4_000_000
MOST_CONTAINERS = 2_000_000
DEEPEST = 64
UTF8_MARK = b"\xef\xbb\xbf"

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NESTING = np.zeros(256, np.int8)
_NESTING[list(b"[{")], _NESTING[list(b"]}")] = 1, -1


def read_bounded(
    path: Path, *, error: type[CheckpointError] = CheckpointError, most_bytes: int = LARGEST_BYTES
) -> bytes:
    """The whole content of a small file.

    Args:
        path: The file.
        error: The class to raise if it does not exist, is not a regular file, or is too large.
        most_bytes: The largest size accepted.
    """
    try:
        with open_regular(path) as file:
            data = file.read(most_bytes + 1)
    except OSError as cause:
        raise error(f"{path}: {refused(cause, doing='read')}; expected a regular file") from cause
    if len(data) > most_bytes:
        raise error(f"{path}: has more than {most_bytes:,} bytes; expected a smaller file. Download it again")
    return data


def read_object(
    path: Path, *, error: type[CheckpointError] = CheckpointError, is_strict: bool = True
) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: The file.
        error: The class to raise if it does not exist, is not JSON, or not an object.
        is_strict: Refuse a key that appears twice in one object, because either value could be meant. Otherwise the
            last one counts, as in other libraries.
    """
    return parse_object(read_bounded(path, error=error), where=str(path), error=error, is_strict=is_strict)


def read_array(path: Path, *, error: type[CheckpointError] = CheckpointError) -> list[Any]:
    """Read a file that holds one JSON array."""
    value = _parse(read_bounded(path, error=error), str(path), error, is_strict=True)
    if not isinstance(value, list):
        raise error(f"{path}: holds a {type(value).__name__}; expected one JSON array [...]")
    return value


def parse_object(
    data: bytes, *, where: str, error: type[CheckpointError] = CheckpointError, is_strict: bool = True
) -> dict[str, Any]:
    """One JSON object from the bytes of a file; see ``read_object``."""
    value = _parse(data, where, error, is_strict=is_strict)
    if not isinstance(value, dict):
        raise error(f"{where}: holds a {type(value).__name__}; expected one JSON object {{...}}")
    return value


def _parse(data: bytes, where: str, error: type[CheckpointError], *, is_strict: bool) -> Any:
    data = data.removeprefix(UTF8_MARK)
    _check_bounds(data, where, error)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise error(f"{where}: the name {twice!r} appears twice in one object; expected it once")
        return values

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=unique if is_strict else None)
    except UnicodeDecodeError as cause:
        raise error(
            f"{where}: byte {cause.start} is not UTF-8; expected JSON in UTF-8. Download the file again"
        ) from cause
    except json.JSONDecodeError as cause:
        raise error(f"{where}:{cause.lineno}: not JSON ({cause.msg}); repair the file or download it again") from cause
    except ValueError as cause:  # Python refuses to read integers of more than 4,300 digits
        raise error(f"{where}: holds a number of thousands of digits; expected usual numbers") from cause
    if _SURROGATE.search(data):
        _check_characters(value, where, error)
    return value


def _check_bounds(data: bytes, where: str, error: type[CheckpointError]) -> None:
    """Refuse JSON that would take far more memory than a model's file needs, or that is nested too deeply to print."""
    n_containers, n_values = data.count(b"[") + data.count(b"{"), data.count(b",")
    if n_containers > MOST_CONTAINERS or n_values > MOST_VALUES:
        raise error(
            f"{where}: holds {n_values:,} values in {n_containers:,} objects and arrays; expected at most "
            f"{MOST_VALUES:,} in {MOST_CONTAINERS:,}. Download the file again"
        )
    if _depth(data) > DEEPEST and _depth(_STRING.sub(b"", data)) > DEEPEST:
        raise error(f"{where}: nested more than {DEEPEST} deep; expected a plain JSON object")


def _depth(data: bytes) -> int:
    """The greatest depth of brackets; brackets inside strings count too."""
    steps = _NESTING[np.frombuffer(data, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def _check_characters(value: Any, where: str, error: type[CheckpointError]) -> None:
    """Refuse halves of surrogate pairs, which no file, terminal or library accepts."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as cause:
        found = f"U+{ord(cause.object[cause.start]):04X}"
        raise error(f"{where}: holds {found}, half of a surrogate pair; expected whole characters") from cause

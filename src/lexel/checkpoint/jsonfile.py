"""Reading the small JSON files of a model folder, with errors that say the file and the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lexel.errors import CheckpointError


def read_object(path: Path, *, error: type[CheckpointError] = CheckpointError) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: The file.
        error: What to raise if it is not there, not JSON, or not an object.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(
            f"{path}: byte {cause.start} is not UTF-8; expected JSON in UTF-8. Download the file again"
        ) from cause
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror or cause}); expected a JSON file") from cause
    return parse_object(text, where=str(path), error=error)


def parse_object(text: str, *, where: str, error: type[CheckpointError] = CheckpointError) -> dict[str, Any]:
    """One JSON object from text; a key that stands twice is an error, because either value could be meant."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise error(f"{where}: the name {twice!r} stands twice in one object; expected it once")
        return values

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as cause:
        raise error(f"{where}:{cause.lineno}: not JSON ({cause.msg}); repair the file or download it again") from cause
    except RecursionError as cause:
        raise error(f"{where}: nested too deeply; expected one flat JSON object") from cause
    if not isinstance(value, dict):
        raise error(f"{where}: holds a {type(value).__name__}; expected one JSON object {{...}}")
    return value

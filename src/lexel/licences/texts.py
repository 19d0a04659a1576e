"""Recognises the licence in a LICENSE file by phrases that no other licence contains."""

from __future__ import annotations

import re
from pathlib import Path

from lexel.disk import open_regular
from lexel.licences.names import identifier_of

_FILES = ("license", "licence", "copying", "license.txt", "licence.txt", "license.md", "licence.md", "copying.txt")
_MOST_CHARS = 65_536

_PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("llama4", ("llama 4 community license agreement",)),
    ("llama3.3", ("llama 3.3 community license agreement",)),
    ("llama3.2", ("llama 3.2 community license agreement",)),
    ("llama3.1", ("llama 3.1 community license agreement",)),
    ("llama3", ("meta llama 3 community license agreement",)),
    ("llama2", ("llama 2 community license agreement",)),
    ("gemma", ("gemma terms of use",)),
    ("openrail", ("rail", "use-based restrictions")),
    ("agpl-3.0", ("gnu affero general public license", "version 3")),
    ("lgpl-3.0", ("gnu lesser general public license", "version 3")),
    ("lgpl-2.1", ("gnu lesser general public license", "version 2.1")),
    ("gpl-3.0", ("gnu general public license", "version 3")),
    ("gpl-2.0", ("gnu general public license", "version 2")),
    ("mpl-2.0", ("mozilla public license", "2.0")),
    ("epl-2.0", ("eclipse public license", "2.0")),
    ("apache-2.0", ("apache license", "version 2.0")),
    ("cc0-1.0", ("cc0 1.0 universal",)),
    ("unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("bsd-3-clause", ("redistribution and use in source and binary forms", "neither the name")),
    ("bsd-2-clause", ("redistribution and use in source and binary forms",)),
    ("isc", ("permission to use, copy, modify, and/or distribute this software for any purpose with or without fee",)),
    ("mit", ("permission is hereby granted, free of charge", "to deal in the software without restriction")),
)
"""Identifiers with phrases of their texts; the first entry with all phrases in the text applies."""
_CREATIVE_COMMONS = re.compile(
    r"(?:creative commons )?attribution(?:-[a-z]+)* \d\.\d(?= international| unported| generic)"
)
_SPDX = re.compile(r"spdx-license-identifier:\s*([^\s*]+(?: (?:or|and|with) [^\s*]+)*)")


def licence_of_text(text: str) -> str | None:
    """The identifier of a licence text; ``None`` if it is unknown."""
    plain = " ".join(text[:_MOST_CHARS].lower().split())
    if found := _SPDX.search(plain):
        return identifier_of(found[1]) or found[1]
    if found := _CREATIVE_COMMONS.search(plain):
        named = found[0] if found[0].startswith("creative") else f"creative commons {found[0]}"
        return identifier_of(named) or named
    return next((name for name, phrases in _PHRASES if all(phrase in plain for phrase in phrases)), None)


def licence_of_folder(folder: Path) -> tuple[str, str] | None:
    """Name of the licence file in a folder, and the identifier of its licence; ``None`` if unknown."""
    try:
        files = {path.name.lower(): path for path in folder.iterdir() if path.is_file()}
    except OSError:
        return None
    for name in _FILES:
        path = files.get(name)
        if path is None:
            continue
        try:
            with open_regular(path) as file:
                found = licence_of_text(file.read(_MOST_CHARS).decode("utf-8", "replace"))
        except OSError:
            continue
        if found is not None:
            return path.name, found
    return None

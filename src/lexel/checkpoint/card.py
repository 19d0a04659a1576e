"""What a model's card (``README.md``) says of its licence.

The hub's cards begin with front matter: YAML between two lines of ``---``. Only the few top-level keys that Lexel needs
are read, by a small reader that takes cards as they are: quotes, comments, lists, missing ends. What it cannot read is
unknown, and unknown is said aloud.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lexel.disk import open_regular

Kind = Literal["permissive", "share-alike", "copyleft", "non-commercial", "unknown"]

_BY_KIND: dict[Kind, str] = {
    "permissive": """
        apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear isc zlib unlicense wtfpl cc0-1.0 pddl cc-by-2.0
        cc-by-2.5 cc-by-3.0 cc-by-4.0 odc-by cdla-permissive-1.0 cdla-permissive-2.0 afl-3.0 artistic-2.0 bsl-1.0
        ecl-2.0 ms-pl ncsa postgresql lppl-1.3c""",
    "share-alike": "cc-by-sa-3.0 cc-by-sa-4.0 odbl cdla-sharing-1.0 ofl-1.1 gfdl",
    "copyleft": """
        gpl gpl-2.0 gpl-3.0 agpl-3.0 lgpl lgpl-2.1 lgpl-3.0 lgpl-lr mpl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2
        osl-3.0""",
    "non-commercial": """
        cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0
        cc-by-nc-sa-4.0 fair-noncommercial-research-license intel-research apple-amlr h-research""",
}

LICENCES: dict[str, Kind] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""The hub's licence identifiers (https://huggingface.co/docs/hub/repositories-licenses) by what they ask of a user.

Any other, such as ``other``, ``openrail`` or ``cc-by-nd-4.0``, has terms that a table cannot sum up: ``unknown``.
"""

_STRICTEST: tuple[Kind, ...] = ("unknown", "non-commercial", "copyleft", "share-alike", "permissive")
_NOTICES: dict[Kind, str] = {
    "copyleft": "licence {}: copyleft, passing the model or works on it on has conditions",
    "non-commercial": "licence {}: not for commercial use",
    "unknown": "licence {}: Lexel does not know its terms, read them before use",
}
_FENCE = re.compile(r"---\s*")
_KEY = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*))?")
_ITEM = re.compile(r"\s*-\s+(.*)")
_LONGEST_CARD_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says.

    Attributes:
        licence: The identifier as written, several joined by ``, ``; ``None`` if the card gives none.
        licence_kind: What it asks of a user; of several, the strictest.
        notice: A line to say aloud if the licence is copyleft, non-commercial or unknown.
    """

    licence: str | None
    licence_kind: Kind
    notice: str | None


def read_card(folder: Path) -> Card:
    """Read a model folder's card; a folder without one has an unknown licence."""
    values = front_matter(_card_text(folder / "README.md"))
    licences = [name for name in values.get("license", []) if name]
    if not licences:
        return Card(None, "unknown", "licence not stated: the model's card names none, ask its author before use")
    kinds = {LICENCES.get(name.lower(), "unknown") for name in licences}
    kind = next(kind for kind in _STRICTEST if kind in kinds)
    named = ", ".join(licences)
    full_name = ", ".join(values.get("license_name", []) + values.get("license_link", []))
    shown = f"{named} ({full_name})" if full_name else named
    return Card(named, kind, _NOTICES[kind].format(shown) if kind in _NOTICES else None)


def front_matter(text: str) -> dict[str, list[str]]:
    """The top-level keys of a card's front matter, each with its scalar or the items of its list."""
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or not _FENCE.fullmatch(lines[0]):
        return {}
    values: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines[1:]:
        if _FENCE.fullmatch(line):
            return values
        if match := _KEY.fullmatch(line.rstrip()):
            current = values.setdefault(match[1].lower(), [])
            current += _values(match[2] or "")
        elif match := _ITEM.fullmatch(line.rstrip()):
            current += _values(match[1])
    return {}


def _values(text: str) -> list[str]:
    """A scalar, or the items of a list in brackets, without quotes and comments."""
    text = _uncommented(text)
    items = text[1:-1].split(",") if text.startswith("[") and text.endswith("]") else [text]
    return [item for item in (_unquoted(item.strip()) for item in items) if item not in ("", "null", "~", "|", ">")]


def _uncommented(text: str) -> str:
    """Cut a comment off; ``#`` begins one at the start or after a space, outside quotes."""
    if text[:1] in "\"'" and text[:1]:
        end = text.find(text[0], 1)
        return text[: end + 1] if end > 0 else text
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _card_text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(_LONGEST_CARD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""

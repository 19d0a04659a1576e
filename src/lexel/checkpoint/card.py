"""Licence and languages of a model folder, from its card (``README.md``) and its licence file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexel.checkpoint.front_matter import read_keys
from lexel.disk import open_regular, refused
from lexel.licences import Verdict, judge
from lexel.licences.texts import licence_of_folder

Card = Verdict
"""The facts in a card are the verdict on its licence."""
_KEYS = ("license", "license_name", "license_link")
_LONGEST_CARD_BYTES = 1_000_000
_logger = logging.getLogger("lexel")


def read_card(folder: Path, *, base: Mapping[str, Any] | None = None, is_own: bool = False) -> Card:
    """Read and classify the licence of a model folder; a folder without one has an unknown licence.

    Args:
        folder: The model.
        base: The base model: its ``id`` and ``licence``.
        is_own: Whether the user may have trained it: then the notice of a missing licence explains how to state one.
    """
    values = read_keys(_card_text(folder / "README.md"), _KEYS)
    return judge(values, file=licence_of_folder(folder), base=base, own=str(folder) if is_own else None)


def read_languages(folder: Path) -> tuple[str, ...]:
    """The languages in a model's card, as written there: mostly ISO codes (``zh``, ``pt-BR``)."""
    said = read_keys(_card_text(folder / "README.md"), ("language",)).get("language")
    codes = said if isinstance(said, list) else [said]
    # YAML reads "no", the code of Norwegian, as false.
    return tuple("no" if code is False else code for code in codes if code is False or isinstance(code, str))


def _card_text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(_LONGEST_CARD_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        _logger.warning("%s: %s, so what it says about the licence is not known", path, refused(error, doing="read"))
        return ""

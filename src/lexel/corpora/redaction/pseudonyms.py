"""Replacements for redacted text: a mask, its label, a hash, or another name of the same kind."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, Literal

from lexel.corpora.redaction.keys import Key
from lexel.corpora.redaction.patterns import KINDS, Patterns
from lexel.errors import MissingExtra

How = Literal["mask", "label", "hash", "pseudonym"]
MASK = "***"
"""The mask has a fixed length, because the length of a name reveals something about it."""
_MOST_DRAWS = 100
_HASH_DIGITS = 8
_PEOPLE = ("PER", "PERSON", "PERS", "NAME")
_PLACES = ("LOC", "GPE", "LOCATION", "FAC", "CITY")
_COMPANIES = ("ORG", "ORGANIZATION", "COMPANY", "NORP")


def replacement_of(text: str, kind: str, how: How, key: Key | None) -> str:
    """The replacement of a text; with one key, the same text of the same kind always gets the same replacement.

    Args:
        text: The original.
        kind: An entity's label, or a kind of identifier.
        how: The kind of replacement.
        key: The key, which hashes and pseudonyms need.
    """
    if how == "mask":
        return MASK
    if how == "label":
        return f"[{kind.upper()}]"
    assert key is not None
    digest = key.digest(kind, text)
    if how == "hash":
        return f"[{kind.upper()}:{digest[:_HASH_DIGITS]}]"
    return _pseudonym(text, kind, Random(digest))


def _pseudonym(text: str, kind: str, random: Random) -> str:
    draw = _identifier(text, kind) if kind in KINDS and kind != "address" else _name(text, kind)
    finds = _finder(kind) if kind in KINDS and kind not in ("address", "email") else None
    for _ in range(_MOST_DRAWS):
        drawn = draw(random)
        if drawn != text and not (finds is not None and finds.find(drawn)):
            return drawn
    return f"[{kind.upper()}]"  # every candidate looked like a real one


@cache
def _finder(kind: str) -> Patterns:
    return Patterns((kind,), regions=("TW", "CN", "HK", "US"))


def _identifier(text: str, kind: str) -> Callable[[Random], str]:
    """Draws the same form with other digits; ``_pseudonym`` rejects valid ones, which may belong to a real person."""
    if kind == "email":
        return lambda random: f"user{random.randrange(10**8):08d}@example.com"
    if kind == "ip":
        return lambda random: f"192.0.2.{random.randrange(256)}.invalid"

    def draw(random: Random) -> str:
        return "".join(_other_sign(sign, random) for sign in text)

    return draw


def _other_sign(sign: str, random: Random) -> str:
    if sign.isdigit():
        return random.choice(string.digits)
    if sign in string.ascii_uppercase:
        return random.choice(string.ascii_uppercase)
    return random.choice(string.ascii_lowercase) if sign in string.ascii_lowercase else sign


def _name(text: str, kind: str) -> Callable[[Random], str]:
    """Draws a name of a person, place or company, in the script of the original."""
    faker = _faker("zh_CN" if any("\u4e00" <= sign <= "\u9fff" for sign in text) else "en_US")
    label = kind.upper()
    if label in _PEOPLE:
        make: Callable[[], Any] = faker.name
    elif label in _PLACES:
        make = faker.city
    elif label in _COMPANIES:
        make = faker.company
    elif kind == "address":
        make = faker.street_address
    else:
        return lambda random: f"{label}-{random.randrange(10**6):06d}"

    def draw(random: Random) -> str:
        faker.seed_instance(random.randrange(2**63))
        return str(make()).replace("\n", ", ")

    return draw


@cache
def _faker(locale: str) -> Any:
    try:
        from faker import Faker
    except ImportError as error:
        raise MissingExtra('pseudonyms need faker: pip install "lexel[corpora]"') from error
    return Faker(locale)

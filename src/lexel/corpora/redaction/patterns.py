"""Finds identifiers by pattern; those with a check digit count only if it is right.

| kind | what | checked by |
|---|---|---|
| email | e-mail addresses | their form |
| phone | telephone numbers of the world, and national ones of ``regions`` | the numbering plans (phonenumbers) |
| card | payment cards, 13 to 19 digits | Luhn (ISO/IEC 7812-1) |
| iban | bank accounts | modulo 97 (ISO 13616) |
| cn_id | identity numbers of the People's Republic of China, 18 characters | modulo 11-2 (GB 11643), and its date |
| tw_id | identity numbers and resident certificates of Taiwan | weighted sum modulo 10 |
| hk_id | identity cards of Hong Kong | weighted sum modulo 11 |
| ip | IPv4 and IPv6 addresses | their form |
| address | street addresses with a number, Chinese and English | their form |
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from lexel.errors import MissingExtra


class Found(NamedTuple):
    """Characters ``[start, end)`` of a text, and their kind."""

    start: int
    end: int
    kind: str


_DIGITS = str.maketrans("０１２３４５６７８９＠－", "0123456789@-")
"""Full-width forms, one character each, so that offsets do not change."""

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]*[A-Za-z0-9])+", re.ASCII
)
_CARD = re.compile(r"(?<!\d)(?<!\d[ -])[2-6]\d(?:[ -]?\d){11,17}(?![ -]?\d)", re.ASCII)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])", re.ASCII)
_CN_ID = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{16}[0-9Xx](?![0-9A-Za-z])", re.ASCII)
_TW_ID = re.compile(r"(?<![0-9A-Za-z])[A-Za-z][1289A-Da-d]\d{8}(?![0-9A-Za-z])", re.ASCII)
_HK_ID = re.compile(r"(?<![0-9A-Za-z])[A-Z]{1,2}\d{6} ?[(（]?[0-9A][)）]?(?![0-9A-Za-z])", re.ASCII)
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])", re.ASCII)
_HAN = "\u4e00-\u9fff"
_NUMBER = "[0-9一二三四五六七八九十百]"
_ADDRESSES = (
    re.compile(
        rf"(?:[{_HAN}]{{2,7}}?(?:省|自治区|市|縣|县))?(?:[{_HAN}]{{1,6}}?(?:市|區|区|鄉|乡|鎮|镇|縣|县))?"
        rf"(?:[{_HAN}]{{1,4}}?[里村])?[{_HAN}A-Z0-9]{{1,8}}?(?:路|街|大道|胡同|巷|道)(?:[東西南北东]?{_NUMBER}+段)?"
        rf"(?:{_NUMBER}+巷)?(?:{_NUMBER}+弄)?{_NUMBER}+(?:[之-]{_NUMBER}+)?[號号](?:之{_NUMBER}+)?"
        rf"(?:{_NUMBER}+[樓楼栋棟](?:之{_NUMBER}+)?)?(?:[{_HAN}]{{0,3}}{_NUMBER}+(?:室|单元|單元))*"
    ),
    re.compile(
        r"(?<![A-Za-z0-9])\d{1,5}[A-Za-z]?,? (?:[NSEW]\.? )?(?:[A-Z][\w'.-]* ){1,4}(?:Street|St|Road|Rd|Avenue|Ave|"
        r"Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Square|Sq|Terrace|Way|Place|Pl)\b\.?"
        r"(?:,? (?:Apt|Suite|Unit|Flat|#)\.? ?\w+)?"
    ),
)
_LEADING = re.compile(r"^(?:.{0,4}?(?:住在|位于|位於|地址是|地址|寄到|送到|搬到|在|到))(?=.{4})")
"""Words before a Chinese address that look like its beginning."""


def _by_form(pattern: re.Pattern[str], is_valid: Callable[[str], bool] = lambda _: True) -> Callable[[str], Any]:
    def find(text: str) -> Iterator[tuple[int, int]]:
        return (match.span() for match in pattern.finditer(text) if is_valid(match[0]))

    return find


def is_luhn(number: str) -> bool:
    """Whether the last digit is the check digit of the others by Luhn; other characters are ignored."""
    digits = [int(sign) for sign in number if sign.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(number: str) -> bool:
    """Whether the check digits of an IBAN are right."""
    bare = number.replace(" ", "")
    moved = bare[4:] + bare[:4]
    return 15 <= len(bare) <= 34 and int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def is_cn_id(number: str) -> bool:
    """Whether an identity number of 18 characters has a date of birth and the right check character."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
    return born.year > 1880 and "10X98765432"[total % 11] == number[17].upper()


_TW_LETTERS = {letter: 10 + place for place, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}


def is_tw_id(number: str) -> bool:
    """Whether the check digit of a Taiwanese identity number is right."""
    letter = _TW_LETTERS[number[0].upper()]
    second = number[1].upper()
    digits = [_TW_LETTERS[second] % 10 if second in _TW_LETTERS else int(second), *map(int, number[2:])]
    total = letter // 10 + 9 * (letter % 10)
    total += sum(digit * weight for digit, weight in zip(digits, (8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True))
    return total % 10 == 0


def is_hk_id(number: str) -> bool:
    """Whether the check character of a Hong Kong identity card is right."""
    signs = re.sub(r"[^0-9A-Z]", "", number)
    body = signs[:-1].rjust(8)
    values = [36 if sign == " " else int(sign, 36) for sign in body]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return (total + int(signs[-1], 36)) % 11 == 0


def _is_ip(text: str) -> bool:
    try:
        return str(ipaddress.ip_address(text)) != "::" and len(text) > 3
    except ValueError:
        return False


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _ADDRESSES:
        for match in pattern.finditer(text):
            leading = _LEADING.match(match[0])
            yield match.start() + (leading.end() if leading else 0), match.end()


def _phones(regions: Sequence[str]) -> Callable[[str], Iterator[tuple[int, int]]]:
    try:
        from phonenumbers import PhoneNumberMatcher
    except ImportError as error:
        raise MissingExtra('finding telephone numbers needs phonenumbers: pip install "lexel[corpora]"') from error

    def find(text: str) -> Iterator[tuple[int, int]]:
        if sum(map(str.isdigit, text)) < 6:
            return
        for region in regions or (None,):
            for match in PhoneNumberMatcher(text, region):
                yield match.start, match.end

    return find


def _ips(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_IPV4, _IPV6):
        yield from _by_form(pattern, _is_ip)(text)


_FINDERS: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
    "email": _by_form(_EMAIL),
    "cn_id": _by_form(_CN_ID, is_cn_id),
    "tw_id": _by_form(_TW_ID, is_tw_id),
    "hk_id": _by_form(_HK_ID, is_hk_id),
    "iban": _by_form(_IBAN, is_iban),
    "card": _by_form(_CARD, is_luhn),
    "ip": _ips,
    "address": _addresses,
}
KINDS = (*_FINDERS, "phone")
"""The kinds; if two overlap with the same length, the earlier one wins."""


class Patterns:
    """Finds identifiers of given kinds.

    Attributes:
        kinds: The kinds.
    """

    def __init__(self, kinds: Collection[str] = KINDS, *, regions: Sequence[str] = ()) -> None:
        """Prepare the patterns.

        Args:
            kinds: The kinds.
            regions: ISO 3166 codes of the countries whose telephone numbers are found without ``+`` and country code.

        Raises:
            MissingExtra: If phone numbers are wanted, and phonenumbers is not installed.
        """
        self.kinds = tuple(kind for kind in KINDS if kind in kinds)
        self._find = {kind: _FINDERS[kind] for kind in self.kinds if kind in _FINDERS}
        if "phone" in self.kinds:
            self._find["phone"] = _phones(regions)

    def find(self, text: str) -> list[Found]:
        """The identifiers in a text, in order; of overlapping ones, the longest."""
        plain = text.translate(_DIGITS)
        found = [Found(start, end, kind) for kind in self.kinds for start, end in self._find[kind](plain)]
        return without_overlaps(found)


def without_overlaps(found: Sequence[Found]) -> list[Found]:
    """The spans in order of the text; of overlapping ones, the longest; of equally long ones, the first given."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: one.start - one.end):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept)

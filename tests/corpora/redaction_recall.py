"""How many planted identifiers and labelled names ``redact`` takes out, by kind.

    python -m tests.corpora.redaction_recall [--each 400]

Identifiers are made with right check digits, written in several usual forms, and put into sentences of ``tests/data``,
between characters and between blanks. Names are the labelled entities of ``zh_aishell_ner.jsonl`` as the bundled model
finds them; a name counts if no character of it is left.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from lexel.corpora.redaction.patterns import KINDS, is_cn_id, is_hk_id, is_iban, is_luhn, is_tw_id
from lexel.corpora.steps import Machine, Redact, Shard, Tag
from lexel.data import read_jsonl
from lexel.data.records import Record

DATA = Path(__file__).parents[1] / "data"
MARKER = "\ue000"


def _digits(random: Random, n: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(n))


def _until(make: Callable[[], str], is_right: Callable[[str], bool]) -> str:
    return next(one for one in iter(make, None) if is_right(one))


def _phone(random: Random) -> str:
    forms = ("0912345678", "0912-345-678", "+886 912 345 678", "(02) 2345-6789", "13812345678", "+86 138 1234 5678")
    forms += ("+1 212-555-2368", "+852 2345 6789", "138-1234-5678", "02-2345-6789")
    form = random.choice(forms)
    return form[:-3] + _digits(random, 3)


def _email(random: Random) -> str:
    name = random.choice(("wang.xm", "li_si", "info", "a.b+c", "service-desk"))
    return f"{name}{random.randrange(1000)}@{random.choice(('example.com', 'mail.example.com.tw', 'corp-x.cn'))}"


def _card(random: Random) -> str:
    bare = _until(lambda: random.choice("45") + _digits(random, 15), is_luhn)
    split = random.choice(("", " ", "-"))
    return split.join(bare[at : at + 4] for at in range(0, 16, 4))


def _cn_id(random: Random) -> str:
    birth = f"{random.randrange(1940, 2010)}{random.randrange(1, 13):02}{random.randrange(1, 29):02}"
    body = f"{random.choice(('110105', '310104', '440305'))}{birth}{_digits(random, 3)}"
    return next(body + sign for sign in "0123456789X" if is_cn_id(body + sign))


def _iban(random: Random) -> str:
    bare = _until(lambda: f"DE{_digits(random, 20)}", is_iban)
    return random.choice((bare, " ".join(bare[at : at + 4] for at in range(0, 22, 4))))


def _hk_id(random: Random) -> str:
    return _until(lambda: f"{random.choice('ABCDGKZ')}{_digits(random, 6)}({random.choice('0123456789A')})", is_hk_id)


def _address(random: Random) -> str:
    number, lane = random.randrange(1, 300), random.randrange(1, 90)
    forms = (
        f"臺北市大安區和平東路二段{number}號{lane}樓",
        f"新北市板橋區文化路{lane}巷{number}號",
        f"北京市海淀区中关村大街{number}号",
        f"上海市浦东新区世纪大道{number}号{lane}室",
        f"深圳市南山区科技路{number}号",
        f"高雄市左營區博愛二路{number}號",
        f"{number} Main Street",
        f"{number} Park Avenue, Apt {lane}",
    )
    return random.choice(forms)


MAKERS: dict[str, Callable[[Random], str]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "cn_id": _cn_id,
    "tw_id": lambda random: _until(
        lambda: f"{random.choice('ABCDEFGH')}{random.choice('12')}{_digits(random, 8)}", is_tw_id
    ),
    "hk_id": _hk_id,
    "ip": lambda random: ".".join(str(random.randrange(1, 255)) for _ in range(4)),
    "address": _address,
}


def identifiers(each: int) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """By kind: how many were planted, how many are gone, and how many stretches were taken that were none."""
    random = Random(42)
    sentences = [document.text for document in read_jsonl(DATA / "zh_gsd.jsonl")]
    planted, gone, false = Counter[str](), Counter[str](), Counter[str]()
    run = Redact().start(Machine())
    for kind, make in MAKERS.items():
        for _ in range(each):
            text, value = random.choice(sentences), make(random)
            at = random.randrange(len(text) + 1)
            around = random.choice(("：{}，", " {} ", "是{}。", "({})"))
            whole = f"{text[:at]}{around.format(value)}{text[at:]}"
            planted[kind] += 1
            (found,) = run([Record(whole)], Shard(0, random))
            gone[kind] += value not in found.text and not any(part in found.text for part in (value[:8], value[-8:]))
    shard = Shard(0, random)
    run([Record(text) for text in sentences], shard)
    false.update(shard.counts.get("redacted", {}))
    return planted, gone, false


def names() -> tuple[Counter[str], Counter[str]]:
    """By label: how many labelled entities there are, and how many have no character left."""
    planted, gone = Counter[str](), Counter[str]()
    tag, redact = Tag().start(Machine()), Redact(entities=("PER", "LOC", "ORG"), patterns=()).start(Machine())
    gold = [document for document in read_jsonl(DATA / "zh_aishell_ner.jsonl") if document.entities]
    shard = Shard(0, Random(42))
    tagged = tag([Record(document.text) for document in gold], shard)
    audits: dict[int, list[tuple[int, int]]] = {}
    for place, record in enumerate(tagged):
        one = Shard(0, Random(42))
        assert record.document is not None
        redact([record], one)
        audits[place] = [(entity.start, entity.end) for entity in record.document.entities]
    for place, document in enumerate(gold):
        taken = {at for start, end in audits[place] for at in range(start, end)}
        for entity in document.entities:
            planted[entity.label] += 1
            gone[entity.label] += taken.issuperset(range(entity.start, entity.end))
    return planted, gone


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=400)
    options = parser.parse_args()
    planted, gone, false = identifiers(options.each)
    print("| kind | planted | redacted | recall | taken by mistake |\n|---|---|---|---|---|")
    for kind in KINDS:
        print(f"| {kind} | {planted[kind]} | {gone[kind]} | {gone[kind] / planted[kind]:.1%} | {false[kind]} |")
    planted, gone = names()
    for label, n in sorted(planted.items()):
        print(f"| {label} (bundled model) | {n} | {gone[label]} | {gone[label] / n:.1%} | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
